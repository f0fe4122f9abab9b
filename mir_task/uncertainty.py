"""How far a distance may be off: delete-a-group jackknife over pairs, noise floors, finite-sample bias.

Tokens of one pair are correlated, so only whole pairs may be left out: the rows are kept apart in groups of pairs.
Which rows are outliers is decided once, from all pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mir_task.frechet import FrechetTerms, terms_between
from mir_task.moments import Moments, RunningMoments, merged
from mir_task.statistics import ModalitySummary

GROUPS = 10
MIN_GROUPS = 5
LINEARISE_ABOVE = 256
"""Hidden size from which one decomposition serves all groups (to first order) instead of one each."""


@dataclass(frozen=True)
class HalfDistances:
    """What two halves of the pairs tell about estimation noise; unscaled."""

    vision: float
    """Distance between the halves' vision rows, which would be zero without noise."""
    text: float
    """Likewise of the text rows."""
    across: float
    """Mean distance between vision and text within a half."""

    def corrected(self, distance: float) -> float:
        """The distance with most of its bias, which is inverse to the number of pairs, extrapolated away."""
        return 2 * distance - self.across


def jackknife_error(values: Sequence[float]) -> float:
    """Standard error of an estimate from its values without each of G groups in turn.

    ``sqrt((G - 1) / G sum_g (value_g - mean)^2)`` (delete-a-group jackknife).
    """
    count = len(values)
    mean = math.fsum(values) / count
    return math.sqrt((count - 1) / count * math.fsum((value - mean) ** 2 for value in values))


def left_out_distances(vision: ModalitySummary, text: ModalitySummary, terms: FrechetTerms) -> list[float]:
    """A layer's distance without each group of pairs in turn, scaled by the alpha of the remaining rows.

    Args:
        vision: with its groups.
        text: with the same groups.
        terms: of the unscaled distance of all rows.

    Returns:
        One distance a group; none if there are too few groups (below 5) for a standard error.
    """
    if len(vision.inliers) < MIN_GROUPS:
        return []
    whole_vision, whole_text = merged(vision.inliers), merged(text.inliers)
    linear = None
    if vision.inliers[0].width > LINEARISE_ABOVE:
        linear = _Gradient.at(whole_vision.finish(), whole_text.finish())
    distances = []
    for group, norms in enumerate(text.norms):
        rest_vision = whole_vision.without(vision.inliers[group]).finish()
        rest_text = whole_text.without(text.inliers[group]).finish()
        if linear is None:
            distance = sum(terms_between(rest_vision, rest_text))
        else:
            distance = linear.distance(terms.covariance_term, rest_vision, rest_text)
        rows = text.tokens - len(norms)
        alpha = rows / (text.mean_norm * text.tokens - float(norms.sum()))
        distances.append(alpha**2 * distance)
    return distances


def half_distances(vision: ModalitySummary, text: ModalitySummary) -> HalfDistances | None:
    """Distances between and within two halves of the pairs, unscaled; None if there is one group only."""
    if len(vision.inliers) < 2:
        return None
    (v1, v2), (t1, t2) = _halves(vision.inliers), _halves(text.inliers)
    if min(half.count for half in (v1, v2, t1, t2)) < 2:
        return None
    moments = [half.finish() for half in (v1, v2, t1, t2)]
    return HalfDistances(
        vision=sum(terms_between(moments[0], moments[1])),
        text=sum(terms_between(moments[2], moments[3])),
        across=(sum(terms_between(moments[0], moments[2])) + sum(terms_between(moments[1], moments[3]))) / 2,
    )


def _halves(groups: list[RunningMoments]) -> tuple[RunningMoments, RunningMoments]:
    return merged(groups[0::2]), merged(groups[1::2])


class _Gradient:
    """First-order change of the covariance term with either covariance.

    d/dS_v = I - T and d/dS_t = I - T^-1, with T the optimal map from N(0, S_v) to N(0, S_t), T S_v T = S_t.
    """

    def __init__(self, at_vision: Tensor, at_text: Tensor, vision: Moments, text: Moments) -> None:
        self._at_vision, self._at_text = at_vision, at_text
        self._vision, self._text = vision, text

    @classmethod
    def at(cls, vision: Moments, text: Moments) -> _Gradient | None:
        """The gradient at these covariances; None if one is singular, where there is none."""
        lower, failed = torch.linalg.cholesky_ex(vision.covariance)
        if int(failed):
            return None
        squares, basis = torch.linalg.eigh(lower.T @ text.covariance @ lower)
        if float(squares[0]) <= 0:
            return None
        # With S_v = L L^T and R = (L^T S_t L)^(1/2): T = L^-T R L^-1 and T^-1 = L R^-1 L^T.
        left = torch.linalg.solve_triangular(lower.T, basis * squares**0.25, upper=True)
        right = lower @ (basis * squares**-0.25)
        eye = torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
        return cls(eye - left @ left.T, eye - right @ right.T, vision, text)

    def distance(self, covariance_term: float, vision: Moments, text: Moments) -> float:
        """The distance of moments near those of the gradient: mean term exact, covariance term linear."""
        mean_term = (vision.mean - text.mean).square().sum()
        change = (self._at_vision * (vision.covariance - self._vision.covariance)).sum()
        change += (self._at_text * (text.covariance - self._text.covariance)).sum()
        return float(mean_term + covariance_term + change)
