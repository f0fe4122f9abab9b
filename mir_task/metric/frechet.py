"""The Fréchet distance between two Gaussians, exactly, from their means and covariances."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mir_task.accumulate.moments import Moments
from mir_task.errors import MIRDataError
from mir_task.metric.factors import maps_on_ranges
from mir_task.metric.maps import Maps
from mir_task.metric.root import root_and_maps, root_trace


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
    return _terms(
        Moments(mean_a, cov_a), Moments(mean_b, cov_b), root_trace(cov_a, cov_b, tolerance), tolerance
    )


def terms_between(a: Moments, b: Moments) -> FrechetTerms:
    """:func:`frechet_terms` of two sets of rows."""
    tolerance = _tolerance(max(a.epsilon, b.epsilon), len(a.mean))
    return _terms(a, b, root_trace(a.covariance, b.covariance, tolerance), tolerance)


def terms_and_maps(a: Moments, b: Moments, dtype: torch.dtype) -> tuple[FrechetTerms, Maps | None]:
    """:func:`terms_between` with the optimal maps, from which the covariance term's derivatives follow.

    Args:
        a: moments of the rows of one set.
        b: of the other.
        dtype: of the maps.

    Returns:
        The terms, and the maps; None where a covariance is singular.
    """
    tolerance = _tolerance(max(a.epsilon, b.epsilon), len(a.mean))
    root, maps = root_and_maps(a.covariance, b.covariance, tolerance, dtype)
    return _terms(a, b, root, tolerance), maps


def singular_maps(a: Moments, b: Moments, dtype: torch.dtype, rows: tuple[int, int]) -> Maps | None:
    """The maps of covariances that may be singular, as :func:`mir_task.metric.factors.maps_on_ranges` gives them."""
    tolerance = _tolerance(max(a.epsilon, b.epsilon), len(a.mean))
    return maps_on_ranges(a.covariance, b.covariance, tolerance, dtype, rows)


def _terms(a: Moments, b: Moments, root: float, tolerance: float) -> FrechetTerms:
    total = float(a.covariance.trace() + b.covariance.trace())
    covariance_term = total - 2 * root
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
