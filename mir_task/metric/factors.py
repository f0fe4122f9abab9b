"""Roots of singular covariances, by factors F with S = F F^T that have as many columns as the covariance has ranks."""

from __future__ import annotations

import scipy.linalg.lapack
import torch
from torch import Tensor

from mir_task.accumulate.triangle import blocks
from mir_task.errors import MIRDataError
from mir_task.metric.maps import Maps
from mir_task.metric.products import gram


def by_factors(cov_a: Tensor, cov_b: Tensor, tolerance: float) -> float:
    """The trace of the root without squares: with S = F F^T it is the sum of the singular values of F_a^T F_b.

    Exact to round-off for singular matrices too, and the faster the lower their ranks.
    """
    factor_a, factor_b = _factors(cov_a, cov_b, tolerance)
    return float(torch.linalg.svdvals(factor_a.T @ factor_b).sum())


def maps_on_ranges(
    cov_a: Tensor, cov_b: Tensor, tolerance: float, dtype: torch.dtype, rows: tuple[int, int]
) -> Maps | None:
    """The maps of covariances that may be singular, which differentiate within the range of either.

    With S = F F^T and F_a^T F_b = P s R^T (singular values) they are F_a^+T P s P^T F_a^+ and F_b^+T R s R^T F_b^+.

    Args:
        cov_a: [d, d] float64.
        cov_b: the same.
        tolerance: as for :func:`by_factors`.
        dtype: of the maps.
        rows: how many the covariances are of.

    Returns:
        The maps; None where a covariance is singular because its rows are few. Each of these takes a direction of its
        own with it when it is left out, the root of that direction's variance falls to 0, and the first order counts
        half of it.
    """
    factors = _factors(cov_a, cov_b, tolerance)
    if any(factor.shape[1] >= count - 1 for factor, count in zip(factors, rows, strict=True)):
        return None
    left, values, right = torch.linalg.svd(factors[0].T @ factors[1], full_matrices=False)
    maps = []
    for factor, vectors in zip(factors, (left, right.T), strict=True):
        # F^+T = Q U^-T for F = Q U.
        basis, triangle = torch.linalg.qr(factor)
        scaled = torch.linalg.solve_triangular(triangle.T, vectors * values.sqrt(), upper=False)
        maps.append(gram((basis @ scaled).to(dtype)).to(cov_a.device))
    return Maps(*maps)


def _factors(cov_a: Tensor, cov_b: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    # Beside the larger of the two, so that a covariance that is zero but for round-off counts as zero.
    allowed = tolerance * float(torch.maximum(cov_a.diagonal().abs().max(), cov_b.diagonal().abs().max()))
    return _factor(cov_a, tolerance, allowed, "cov_a"), _factor(cov_b, tolerance, allowed, "cov_b")


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
