"""tr((S_a S_b)^(1/2)), the part of the Fréchet distance that costs time and digits, and its derivatives."""

from __future__ import annotations

from typing import NamedTuple

import scipy.linalg
import torch
from torch import Tensor

from mir_task.metric.factors import by_factors
from mir_task.metric.maps import Maps
from mir_task.metric.polar import least_singular_value, nuclear_norm, polar_factor
from mir_task.metric.products import congruence, gram, lower_product

ROOT_ACCURACY = 1e-10
"""Largest estimated error of the root's trace, relative to the traces, that the faster routes may have; measured errors
are far smaller still."""
LIBRARY_WIDTH = 1024
"""Width up to which eigenvectors are torch's."""
NEGATIVE = 1e3
"""Largest round-off of a zero eigenvalue, in units of d eps times the largest: what is more negative is none."""


class Root(NamedTuple):
    """The trace of the root as the faster routes give it."""

    trace: float | None
    """None where it would not be accurate."""
    maps: Maps | None
    """None where a covariance is singular, or they were not asked for."""


def root_trace(cov_a: Tensor, cov_b: Tensor, tolerance: float) -> float:
    """tr((S_a S_b)^(1/2)) of two symmetric positive semidefinite float64 matrices [d, d].

    The route follows from the matrices and their device alone, so that every process and every run takes the same: by
    eigenvalues on the CPU, by matrix products elsewhere, and by factors where the route declines, because a covariance
    is singular or rounding of small eigenvalues could show in their roots.

    Raises:
        MIRDataError: a matrix has a part more negative than the tolerance (relative to its largest entry).
    """
    route = by_eigenvalues if cov_a.device.type == "cpu" else by_polar
    trace = route(cov_a, cov_b)
    return by_factors(cov_a, cov_b, tolerance) if trace is None else trace


def root_and_maps(
    cov_a: Tensor, cov_b: Tensor, tolerance: float, dtype: torch.dtype
) -> tuple[float, Maps | None]:
    """The trace of :func:`root_trace` together with the maps, from one decomposition; no maps of singular matrices.

    Args:
        cov_a: as for :func:`root_trace`.
        cov_b: the same.
        tolerance: the same.
        dtype: of the maps, and of the last products that they come from.

    Raises:
        MIRDataError: as :func:`root_trace` does.
    """
    route = by_eigenvectors if cov_a.device.type == "cpu" else by_polar_factor
    root = route(cov_a, cov_b, dtype)
    trace = by_factors(cov_a, cov_b, tolerance) if root.trace is None else root.trace
    return trace, root.maps


def by_eigenvalues(cov_a: Tensor, cov_b: Tensor) -> float | None:
    """The trace of the root from the eigenvalues of a symmetric product; None where that would not be accurate.

    With S_b = L L^T the product S_a S_b has the eigenvalues of the symmetric L^T S_a L, and no root is ever formed.
    """
    lower, failed = torch.linalg.cholesky_ex(cov_b)
    if int(failed):
        return None
    product = congruence(cov_a, lower)
    del lower  # a matrix less at the peak of memory
    return _trace(torch.linalg.eigvalsh(product), float(cov_a.trace() + cov_b.trace()))


def by_eigenvectors(cov_a: Tensor, cov_b: Tensor, dtype: torch.dtype) -> Root:
    """Trace and maps from the eigenvalues and eigenvectors of the same product.

    With R = (L^T S_a L)^(1/2): T = L R^-1 L^T and T^-1 = L^-T R L^-1.
    """
    lower, failed = torch.linalg.cholesky_ex(cov_b)
    if int(failed):
        return Root(None, None)
    squares, basis = _eigh(congruence(cov_a, lower))
    trace = _trace(squares, float(cov_a.trace() + cov_b.trace()))
    if float(squares[0]) <= 0:
        return Root(trace, None)
    # Their products with themselves lose no digit to cancellation, so that these may be taken in float32.
    basis *= squares**0.25
    backward = gram(torch.linalg.solve_triangular(lower.T, basis, upper=True).to(dtype))
    basis *= squares**-0.5
    return Root(trace, Maps(gram(lower_product(lower, basis).to(dtype)), backward))


def _eigh(lower: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, ascending, and eigenvectors of a symmetric matrix on the CPU, from its lower triangle; taken over.

    Where it takes seconds, by scipy's divide and conquer, which was 1.5 times as fast as torch's and takes a matrix
    less of memory; where it takes milliseconds, by torch's, because scipy's pool of threads gets in the way of torch's.
    """
    if len(lower) <= LIBRARY_WIDTH:
        return torch.linalg.eigh(lower)  # type: ignore[no-any-return]
    # Transposed, it lies in memory as LAPACK wants it, its lower triangle as the upper one.
    values, basis = scipy.linalg.eigh(
        lower.numpy().T, lower=False, driver="evd", overwrite_a=True, check_finite=False
    )
    return torch.from_numpy(values), torch.from_numpy(basis)


def _trace(eigenvalues: Tensor, traces: float) -> float | None:
    """The sum of the roots of eigenvalues in ascending order; None where round-off could show."""
    # Eigenvalues come with errors of round-off size, relative to the largest and independent of each other; the root
    # magnifies those of the small.
    error = torch.finfo(torch.float64).eps * eigenvalues[-1]
    if eigenvalues[0] < -NEGATIVE * len(eigenvalues) * error or error <= 0:
        return None  # not of two covariances, which factors will tell
    root_errors = error / (2 * eigenvalues.clamp(min=error).sqrt())
    if root_errors.norm() > ROOT_ACCURACY * traces:
        return None
    return float(eigenvalues.clamp(min=0).sqrt().sum())


def by_polar(cov_a: Tensor, cov_b: Tensor) -> float | None:
    """The trace of the root as the sum of the singular values of L_a^T L_b, by matrix products alone.

    None where a covariance has no Cholesky factor L.
    """
    (lower_a, failed_a), (lower_b, failed_b) = map(torch.linalg.cholesky_ex, (cov_a, cov_b))
    if int(failed_a) or int(failed_b):
        return None
    smallest = least_singular_value(lower_a, lower_b)
    return nuclear_norm(lower_a.T @ lower_b, _polar_accuracy(cov_a, cov_b), smallest)


def by_polar_factor(cov_a: Tensor, cov_b: Tensor, dtype: torch.dtype) -> Root:
    """Trace and maps from the polar factor Q of L_a^T L_b = Q H, by matrix products and triangular solves alone.

    The trace is tr(Q^T L_a^T L_b), and T = L_b Q^T L_a^-1, T^-1 = L_a Q L_b^-1.
    """
    (lower_a, failed_a), (lower_b, failed_b) = map(torch.linalg.cholesky_ex, (cov_a, cov_b))
    if int(failed_a) or int(failed_b):
        return Root(None, None)
    smallest = least_singular_value(lower_a, lower_b)
    product = lower_a.T @ lower_b
    factor = polar_factor(product, _polar_accuracy(cov_a, cov_b), smallest)
    trace = float((factor * product).sum())
    del product
    # Transposed, which of symmetric matrices changes nothing.
    forward = torch.linalg.solve_triangular(lower_a.T, factor @ lower_b.T, upper=True)
    backward = torch.linalg.solve_triangular(lower_b.T, factor.T @ lower_a.T, upper=True)
    return Root(trace, Maps(_symmetric(forward).to(dtype), _symmetric(backward).to(dtype)))


def _polar_accuracy(cov_a: Tensor, cov_b: Tensor) -> float:
    return ROOT_ACCURACY / 10 * float(cov_a.trace() + cov_b.trace())


def _symmetric(matrix: Tensor) -> Tensor:
    return (matrix + matrix.T) / 2
