"""How far a distance may be off: delete-a-group jackknife over pairs, noise floors, finite-sample bias.

Tokens of one pair are correlated, so only whole pairs may be left out: the rows are kept apart in groups of pairs.
Which rows are outliers is decided once, from all pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.moments import merged
from mir_task.accumulate.summary import ModalitySummary
from mir_task.metric.estimate import Factored
from mir_task.metric.frechet import FrechetTerms, singular_maps, terms_between
from mir_task.metric.influence import Linearised, scales_without
from mir_task.metric.maps import Maps

T = TypeVar("T")

GROUPS = 10
MIN_GROUPS = 5
LINEARISE_ABOVE = 256
"""Hidden size from which one decomposition serves all groups (to first order) instead of one each, and halves get
distances of three digits."""


@dataclass(frozen=True)
class HalfDistances:
    """What two halves of the pairs tell about estimation noise; unscaled."""

    vision: float
    """Distance between the halves' vision rows, which would be zero without noise."""
    text: float
    """Distance between the halves' text rows."""
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


def estimate_dtype(d: int) -> torch.dtype:
    """Dtype of what standard errors are computed from: float32 where that is faster."""
    return torch.float64 if d <= LINEARISE_ABOVE else torch.float32


def needs_maps(modalities: Modalities[ModalitySummary], linearise_above: int = LINEARISE_ABOVE) -> bool:
    """Whether distances without each group are taken to first order, which needs the optimal maps."""
    return _enough_groups(modalities) and (
        not _apart(modalities) or modalities.vision.inliers[0].width > linearise_above
    )


def left_out_distances(
    modalities: Modalities[ModalitySummary], terms: FrechetTerms, maps: Maps | None
) -> list[float] | Linearised | None:
    """A layer's distance without each group of pairs in turn, scaled by the alpha of the remaining rows.

    Args:
        modalities: both summaries, of the same groups.
        terms: of the unscaled distance of all rows.
        maps: the optimal maps between vision and text, for distances to first order; None where a covariance is
            singular, or d is small.

    Returns:
        One distance for each group that has rows. If the groups were not kept apart, an object that gives the distances
        when it has been given all rows once more. None if there are too few groups (below 5) for a standard error, if
        without one of them every text row is zero, or if the groups were not kept apart and there are fewer rows than
        dimensions.

    Without maps each distance is computed anew where the groups were kept apart. Where they were not, a singular
    covariance is linearised within its range, except one that is singular because its rows are few: there the first
    order was up to a third off.
    """
    if not _enough_groups(modalities):
        return None
    if maps is None:
        if _apart(modalities):
            return _anew(modalities)
        maps = _singular_maps(*modalities)
    if maps is None:
        return None
    linearised = Linearised.at(modalities, terms, maps)
    if not _apart(modalities):
        return linearised
    for influence, summary in zip(linearised.influences, modalities, strict=True):
        for group, moments in enumerate(summary.inliers):
            influence.add(moments, group)
    return linearised.distances()


def _singular_maps(vision: ModalitySummary, text: ModalitySummary) -> Maps | None:
    assert vision.whole is not None and text.whole is not None, "there are rows"
    rows = vision.whole.count, text.whole.count
    return singular_maps(vision.moments, text.moments, estimate_dtype(vision.whole.width), rows)


def _enough_groups(modalities: Modalities[ModalitySummary]) -> bool:
    text = modalities.text
    # All pairs of a group may have been skipped, and only one group may have rows other than zero.
    with_rows = [own for norms, own in zip(text.norms, text.norm_sums, strict=True) if len(norms)]
    return len(with_rows) >= MIN_GROUPS and all(own < sum(with_rows) for own in with_rows)


def _apart(modalities: Modalities[ModalitySummary]) -> bool:
    return len(modalities.vision.inliers) == len(modalities.text.norms)


def _anew(modalities: Modalities[ModalitySummary]) -> list[float]:
    """Distances without each group, with a decomposition for each."""
    distances = []
    for group, alpha in scales_without(modalities.text).items():
        rest = []
        for summary in modalities:
            assert summary.whole is not None, "there are rows"
            rest.append(summary.whole.without(summary.inliers[group]))
        distances.append(alpha**2 * sum(terms_between(*(each.finish() for each in rest))))
    return distances


def half_distances(modalities: Modalities[ModalitySummary]) -> HalfDistances | None:
    """Distances between and within two halves of the pairs, unscaled; None if there is one scatter matrix only.

    Up to d = 256 they are as exact as the distance itself, beyond that good to 1% (:mod:`mir_task.metric.estimate`).
    """
    if not all(len(modality.inliers) > 1 for modality in modalities):
        return None
    halves = [modality.inliers[start::2] for modality in modalities for start in (0, 1)]
    if any(sum(each.count for each in half) < 2 for half in halves):
        return None
    moments = (merged(half).finish() for half in halves)
    if halves[0][0].width <= LINEARISE_ABOVE:
        return _between(list(moments), lambda a, b: sum(terms_between(a, b)))
    # One at a time: a factor takes less memory than what it comes from.
    return _between([Factored.of(each) for each in moments], Factored.distance)


def _between(halves: Sequence[T], distance: Callable[[T, T], float]) -> HalfDistances:
    v1, v2, t1, t2 = halves
    return HalfDistances(
        vision=distance(v1, v2), text=distance(t1, t2), across=(distance(v1, t1) + distance(v2, t2)) / 2
    )
