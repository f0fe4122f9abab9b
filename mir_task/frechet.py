"""The Fréchet distance between two Gaussians, exactly, from their means and covariances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg.lapack
import torch
from torch import Tensor

from mir_task.errors import MIRDataError
from mir_task.moments import Moments, blocks

ROOT_ACCURACY = 1e-10
"""Largest estimated error of the root's trace, relative to the traces, that the faster route may have; measured errors
are far smaller still."""


class FrechetTerms(NamedTuple):
    """The two parts of the squared Fréchet (2-Wasserstein) distance; their sum is the distance."""

    mean_term: float
    """||mu_a - mu_b||^2"""
    covariance_term: float
    """tr(S_a) + tr(S_b) - 2 tr((S_a S_b)^(1/2))"""


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """Squared Fréchet distance between N(mean_a, cov_a) and N(mean_b, cov_b), as in FID.

    ``||mu_a - mu_b||^2 + tr(S_a) + tr(S_b) - 2 tr((S_a S_b)^(1/2))`` (MIR paper, eq. 3), computed in
    float64 whatever the inputs' dtype.

    Args:
        mean_a: [d] mean of the first Gaussian, any floating dtype.
        cov_a: [d, d] covariance of the first Gaussian, symmetric positive semidefinite.
        mean_b: [d] mean of the second Gaussian.
        cov_b: [d, d] covariance of the second Gaussian.

    Returns:
        The distance, in squared units of the features; never negative.

    Raises:
        MIRDataError: shapes that do not match, NaN or Inf, or a covariance that is not symmetric or has an
            eigenvalue more negative than round-off can explain.

    Example:
        >>> import torch
        >>> eye = torch.eye(2)
        >>> frechet_distance(torch.zeros(2), eye, torch.tensor([3.0, 4.0]), eye)
        25.0
    """
    return sum(frechet_terms(mean_a, cov_a, mean_b, cov_b))


def frechet_terms(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> FrechetTerms:
    """The distance of :func:`frechet_distance` as its mean term and covariance term.

    Same arguments and errors.
    """
    _check_shapes(mean_a, cov_a, mean_b, cov_b)
    tolerance = _tolerance(max(torch.finfo(cov.dtype).eps for cov in (cov_a, cov_b)), len(mean_a))
    mean_a, cov_a = _as_float64(mean_a, "mean_a"), _as_float64(cov_a, "cov_a")
    mean_b, cov_b = _as_float64(mean_b, "mean_b"), _as_float64(cov_b, "cov_b")
    cov_a, cov_b = _symmetric(cov_a, tolerance, "cov_a"), _symmetric(cov_b, tolerance, "cov_b")
    return _terms(Moments(mean_a, cov_a), Moments(mean_b, cov_b), tolerance)


def terms_between(a: Moments, b: Moments) -> FrechetTerms:
    """:func:`frechet_terms` of two sets of rows."""
    return _terms(a, b, _tolerance(max(a.epsilon, b.epsilon), len(a.mean)))


def _terms(a: Moments, b: Moments, tolerance: float) -> FrechetTerms:
    total = float(a.covariance.trace() + b.covariance.trace())
    covariance_term = total - 2 * _root_trace(a.covariance, b.covariance, tolerance)
    if covariance_term < -tolerance * total:
        raise MIRDataError(
            f"frechet_terms: the covariance term is {covariance_term:.3g}, negative beyond round-off "
            f"(tolerance {tolerance:.1g} of tr(cov_a) + tr(cov_b) = {total:.3g}); "
            "are cov_a and cov_b covariances?"
        )
    return FrechetTerms(float((a.mean - b.mean).square().sum()), max(covariance_term, 0.0))


def _tolerance(epsilon: float, d: int) -> float:
    """What rounding can make of a zero, relative to the largest entry: that of the input, or of d x d products."""
    return max(100 * epsilon, 10 * d * torch.finfo(torch.float64).eps)


def _root_trace(cov_a: Tensor, cov_b: Tensor, tolerance: float) -> float:
    """tr((S_a S_b)^(1/2)) of two symmetric float64 [d, d] matrices.

    With S_b = L L^T the product S_a S_b has the eigenvalues of the symmetric L^T S_a L, and no root is ever formed.
    Where S_b has no such factor, or rounding of small eigenvalues could show in their roots, the slower route below
    takes over.
    """
    lower, failed = torch.linalg.cholesky_ex(cov_b)
    if int(failed):
        return _root_trace_of_factors(cov_a, cov_b, tolerance)
    product = congruence(cov_a, lower)
    del lower  # a matrix less at the peak of memory
    eigenvalues = torch.linalg.eigvalsh(product)
    # Eigenvalues come with errors of round-off size, relative to the largest and independent of each other; the root
    # magnifies those of the small.
    error = torch.finfo(torch.float64).eps * eigenvalues[-1]
    root_errors = error / (2 * eigenvalues.clamp(min=error).sqrt())
    if root_errors.norm() > ROOT_ACCURACY * (cov_a.trace() + cov_b.trace()):
        return _root_trace_of_factors(cov_a, cov_b, tolerance)
    return float(eigenvalues.clamp(min=0).sqrt().sum())


def congruence(cov: Tensor, lower: Tensor) -> Tensor:
    """L^T S L [d, d], of which only the lower triangle (and diagonal) is right.

    In blocks, of which those that the triangle L makes zero and those above the diagonal are left out: two fifths of
    the work of two whole products. (LAPACK's dsygst does less, but scipy's thread pool and torch's get in each other's
    way: with both at work on two cores, everything small took four times as long.)
    """
    result = torch.zeros_like(cov)
    for columns in blocks(len(cov)):
        right = cov[:, columns.start :] @ lower[columns.start :, columns]
        for rows in blocks(len(cov)):
            if rows.start >= columns.start:
                result[rows, columns] = lower[rows.start :, rows].T @ right[rows.start :]
    return result


def _root_trace_of_factors(cov_a: Tensor, cov_b: Tensor, tolerance: float) -> float:
    """The same without squares: for factors S = F F^T it is the sum of the singular values of F_a^T F_b.

    Exact to round-off for singular matrices too, and the faster the lower their ranks.
    """
    factor_a, factor_b = _factor(cov_a, tolerance, "cov_a"), _factor(cov_b, tolerance, "cov_b")
    return float(torch.linalg.svdvals(factor_a.T @ factor_b).sum())


def _factor(cov: Tensor, tolerance: float, name: str) -> Tensor:
    """F [d, rank] with F F^T = cov [d, d], by Cholesky with complete pivoting, which needs no full rank; on the CPU."""
    cov = cov.cpu()
    scale = max(float(cov.diagonal().max()), 0.0)
    packed, pivots, rank, _ = scipy.linalg.lapack.dpstrf(cov.numpy(), lower=1, tol=tolerance / 10 * scale)
    factor = torch.empty(len(cov), rank, dtype=torch.float64)
    factor[torch.from_numpy(pivots).long() - 1] = torch.from_numpy(np.tril(packed)[:, :rank])
    left_out = float((cov - factor @ factor.T).abs().max())
    if left_out > tolerance * scale:
        raise MIRDataError(
            f"frechet_terms: {name} is not positive semidefinite (a part of size {left_out:.3g}, beside variances up "
            f"to {scale:.3g}, has no factor); compute it from centred rows"
        )
    return factor


def _symmetric(cov: Tensor, tolerance: float, name: str) -> Tensor:
    asymmetry, largest = float((cov - cov.T).abs().max()), float(cov.abs().max())
    if asymmetry > tolerance * largest:
        raise MIRDataError(
            f"frechet_terms: {name} is not symmetric (entries differ by {asymmetry:.3g}, "
            f"the largest is {largest:.3g})"
        )
    return (cov + cov.T) / 2 if asymmetry else cov


def _as_float64(values: Tensor, name: str) -> Tensor:
    if not torch.isfinite(values).all():
        raise MIRDataError(f"frechet_terms: {name} holds NaN or Inf")
    return values.double()


def _check_shapes(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> None:
    d = mean_a.shape[0] if mean_a.ndim == 1 else None
    shapes = {"mean_a": mean_a, "cov_a": cov_a, "mean_b": mean_b, "cov_b": cov_b}
    if d is None or not (mean_b.shape == (d,) and cov_a.shape == cov_b.shape == (d, d)):
        got = ", ".join(f"{name} {list(value.shape)}" for name, value in shapes.items())
        raise MIRDataError(f"frechet_terms: expected means [d] and covariances [d, d], got {got}")
    for name, value in shapes.items():
        if not value.is_floating_point():
            raise MIRDataError(f"frechet_terms: {name} must be of a floating dtype, got {value.dtype}")
