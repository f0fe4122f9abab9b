"""tr((S_a S_b)^(1/2)), the part of the Fréchet distance that costs time and digits."""

from __future__ import annotations

import scipy.linalg.lapack
import torch
from torch import Tensor

from mir_task.accumulate.moments import blocks
from mir_task.errors import MIRDataError
from mir_task.metric.polar import nuclear_norm

ROOT_ACCURACY = 1e-10
"""Largest estimated error of the root's trace, relative to the traces, that the faster routes may have; measured errors
are far smaller still."""
NEGATIVE = 1e3
"""Largest round-off of a zero eigenvalue, in units of d eps times the largest: what is more negative is none."""


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


def by_eigenvalues(cov_a: Tensor, cov_b: Tensor) -> float | None:
    """The trace of the root from the eigenvalues of a symmetric product; None where that would not be accurate.

    With S_b = L L^T the product S_a S_b has the eigenvalues of the symmetric L^T S_a L, and no root is ever formed.
    """
    lower, failed = torch.linalg.cholesky_ex(cov_b)
    if int(failed):
        return None
    product = congruence(cov_a, lower)
    del lower  # a matrix less at the peak of memory
    eigenvalues = torch.linalg.eigvalsh(product)
    # Eigenvalues come with errors of round-off size, relative to the largest and independent of each other; the root
    # magnifies those of the small.
    error = torch.finfo(torch.float64).eps * eigenvalues[-1]
    if eigenvalues[0] < -NEGATIVE * len(product) * error or error <= 0:
        return None  # not of two covariances, which factors will tell
    root_errors = error / (2 * eigenvalues.clamp(min=error).sqrt())
    if root_errors.norm() > ROOT_ACCURACY * (cov_a.trace() + cov_b.trace()):
        return None
    return float(eigenvalues.clamp(min=0).sqrt().sum())


def by_polar(cov_a: Tensor, cov_b: Tensor) -> float | None:
    """The trace of the root as the sum of the singular values of L_a^T L_b, by matrix products alone.

    None where a covariance has no Cholesky factor L.
    """
    (lower_a, failed_a), (lower_b, failed_b) = map(torch.linalg.cholesky_ex, (cov_a, cov_b))
    if int(failed_a) or int(failed_b):
        return None
    return nuclear_norm(lower_a.T @ lower_b, ROOT_ACCURACY / 10 * float(cov_a.trace() + cov_b.trace()))


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


def by_factors(cov_a: Tensor, cov_b: Tensor, tolerance: float) -> float:
    """The trace of the root without squares: with S = F F^T it is the sum of the singular values of F_a^T F_b.

    Exact to round-off for singular matrices too, and the faster the lower their ranks.
    """
    # Beside the larger of the two, so that a covariance that is zero but for round-off counts as zero.
    allowed = tolerance * float(torch.maximum(cov_a.diagonal().abs().max(), cov_b.diagonal().abs().max()))
    factor_a = _factor(cov_a, tolerance, allowed, "cov_a")
    factor_b = _factor(cov_b, tolerance, allowed, "cov_b")
    return float(torch.linalg.svdvals(factor_a.T @ factor_b).sum())


def _factor(cov: Tensor, tolerance: float, allowed: float, name: str) -> Tensor:
    """F [d, rank] with F F^T = cov [d, d], by Cholesky with complete pivoting, which needs no full rank; on the CPU."""
    cov = cov.cpu()
    scale = max(float(cov.diagonal().max()), 0.0)
    # Transposed, which changes nothing of a symmetric matrix, it lies in memory as LAPACK wants it.
    packed, pivots, rank, _ = scipy.linalg.lapack.dpstrf(cov.numpy().T, lower=1, tol=tolerance / 10 * scale)
    transposed = torch.empty(rank, len(cov), dtype=torch.float64)
    transposed[:, torch.from_numpy(pivots).long() - 1] = torch.from_numpy(packed[:, :rank].T).triu()
    factor = transposed.T
    left_out = max(
        float((cov[rows, : rows.stop] - factor[rows] @ factor[: rows.stop].T).abs().max())
        for rows in blocks(len(cov))
    )
    if left_out > allowed:
        raise MIRDataError(
            f"frechet_terms: {name} is not positive semidefinite (a part of size {left_out:.3g}, beside variances up "
            f"to {scale:.3g}, has no factor); compute it from centred rows"
        )
    return factor
