"""The Fréchet distance between two Gaussians, exactly, from their means and covariances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.linalg.lapack
import torch
from torch import Tensor

from mir_task.errors import MIRDataError

Array = npt.NDArray[np.float64]

ROOT_ACCURACY = 1e-9
"""Largest error of the root's trace, relative to the traces, that the faster route may have (a bound; measured errors
are a million times smaller)."""


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
    """The distance of :func:`frechet_distance` as its mean term and covariance term (same arguments)."""
    _check_shapes(mean_a, cov_a, mean_b, cov_b)
    tolerance = max(_roundoff(cov_a), _roundoff(cov_b))
    mean_a, cov_a = _as_float64(mean_a, "mean_a"), _as_float64(cov_a, "cov_a")
    mean_b, cov_b = _as_float64(mean_b, "mean_b"), _as_float64(cov_b, "cov_b")
    root_trace = _root_trace(
        _symmetric(cov_a, tolerance, "cov_a"), _symmetric(cov_b, tolerance, "cov_b"), tolerance
    )
    total = cov_a.trace() + cov_b.trace()
    covariance_term = float(total) - 2 * root_trace
    if covariance_term < -tolerance * float(total):
        raise MIRDataError(
            f"frechet_terms: the covariance term is {covariance_term:.3g}, negative beyond round-off "
            f"(tolerance {tolerance:.1g} of tr(cov_a) + tr(cov_b) = {float(total):.3g}); "
            "are cov_a and cov_b covariances?"
        )
    return FrechetTerms(float((mean_a - mean_b).square().sum()), max(covariance_term, 0.0))


def _root_trace(cov_a: Array, cov_b: Array, tolerance: float) -> float:
    """tr((S_a S_b)^(1/2)) of two symmetric [d, d] matrices.

    The eigenvalues of S_a S_b, which has real ones although it is not symmetric, are those of a symmetric-definite
    problem that LAPACK solves without ever forming a root. Where that fails, or rounding of small eigenvalues would
    show in the sum of their roots, the slower route below takes over.
    """
    try:
        eigenvalues = scipy.linalg.eigh(
            cov_a, cov_b, type=2, eigvals_only=True, driver="gvd", check_finite=False
        )
    except scipy.linalg.LinAlgError:  # cov_b is singular
        return _root_trace_of_factors(cov_a, cov_b, tolerance)
    # Eigenvalues come with errors of round-off size, relative to the largest; the root magnifies those of the small.
    error = np.finfo(np.float64).eps * eigenvalues[-1]
    root_errors = error / (2 * np.sqrt(np.maximum(eigenvalues, error)))
    if root_errors.sum() > ROOT_ACCURACY * (np.trace(cov_a) + np.trace(cov_b)):
        return _root_trace_of_factors(cov_a, cov_b, tolerance)
    return float(np.sqrt(eigenvalues.clip(min=0)).sum())


def _root_trace_of_factors(cov_a: Array, cov_b: Array, tolerance: float) -> float:
    """The same without squares: for factors S = F F^T it is the sum of the singular values of F_a^T F_b.

    Exact to round-off for singular matrices too, and the faster the lower their ranks.
    """
    factor_a, factor_b = _factor(cov_a, tolerance, "cov_a"), _factor(cov_b, tolerance, "cov_b")
    return float(np.linalg.svd(factor_a.T @ factor_b, compute_uv=False).sum())


def _factor(cov: Array, tolerance: float, name: str) -> Array:
    """F [d, rank] with F F^T = cov [d, d], by Cholesky with complete pivoting, which needs no full rank."""
    scale = float(cov.diagonal().max())
    packed, pivots, rank, _ = scipy.linalg.lapack.dpstrf(cov, lower=1, tol=tolerance / 10 * max(scale, 0.0))
    factor = np.empty((cov.shape[0], rank))
    factor[pivots - 1] = np.tril(packed)[:, :rank]
    left_out = float(np.abs(cov - factor @ factor.T).max())
    if left_out > tolerance * max(scale, 0.0):
        raise MIRDataError(
            f"frechet_terms: {name} is not positive semidefinite (a part of size {left_out:.3g}, beside variances up "
            f"to {scale:.3g}, has no factor); compute it from centred rows"
        )
    return factor


def _symmetric(cov: Tensor, tolerance: float, name: str) -> Array:
    asymmetry, largest = float((cov - cov.T).abs().max()), float(cov.abs().max())
    if asymmetry > tolerance * largest:
        raise MIRDataError(
            f"frechet_terms: {name} is not symmetric (entries differ by {asymmetry:.3g}, "
            f"the largest is {largest:.3g})"
        )
    return ((cov + cov.T) / 2).cpu().numpy()


def _roundoff(cov: Tensor) -> float:
    """Relative size that rounding of a [d, d] matrix of this dtype can give to what should be zero."""
    return 10 * cov.shape[0] * torch.finfo(cov.dtype).eps


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
