"""How far a distance may be off: delete-a-group jackknife over pairs, noise floors, finite-sample bias.

Tokens of one pair are correlated, so only whole pairs may be left out: the rows are kept apart in groups of pairs.
Which rows are outliers is decided once, from all pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.moments import merged
from mir_task.accumulate.summary import ModalitySummary
from mir_task.metric.frechet import FrechetTerms, terms_between
from mir_task.metric.influence import Linearised, scales_without

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


def left_out_distances(
    modalities: Modalities[ModalitySummary], terms: FrechetTerms, linearise_above: int = LINEARISE_ABOVE
) -> list[float] | Linearised | None:
    """A layer's distance without each group of pairs in turn, scaled by the alpha of the remaining rows.

    Args:
        modalities: both summaries, of the same groups.
        terms: of the unscaled distance of all rows.
        linearise_above: hidden size from which distances are taken to first order.

    Returns:
        One distance for each group that has rows. If the groups were not kept apart, an object that gives the distances
        when it has been given all rows once more. None if there are too few groups (below 5) for a standard error, or a
        covariance is singular and the groups were not kept apart.
    """
    vision, text = modalities
    groups = len(text.norms)
    if sum(len(norms) > 0 for norms in text.norms) < MIN_GROUPS:  # all pairs of a group may have been skipped
        return None
    apart = len(vision.inliers) == groups
    linearised = None
    if not apart or vision.inliers[0].width > linearise_above:
        linearised = Linearised.at(modalities, terms)
    if not apart:
        return linearised
    if linearised is None:
        return _exact(modalities)
    for influence, summary in zip(linearised.influences, modalities, strict=True):
        for group in range(groups):
            influence.add(summary.inliers[group], group)
    return linearised.distances()


def _exact(modalities: Modalities[ModalitySummary]) -> list[float]:
    """Distances without each group, with a decomposition for each."""
    whole = modalities.map(lambda summary: merged(summary.inliers))
    distances = []
    for group, alpha in scales_without(modalities.text).items():
        vision, text = (
            all_rows.without(summary.inliers[group]).finish()
            for all_rows, summary in zip(whole, modalities, strict=True)
        )
        distances.append(alpha**2 * sum(terms_between(vision, text)))
    return distances


def half_distances(modalities: Modalities[ModalitySummary]) -> HalfDistances | None:
    """Distances between and within two halves of the pairs, unscaled; None if there is one scatter matrix only."""
    if len(modalities.vision.inliers) < 2:
        return None
    halves = []
    for modality in modalities:
        running = [merged(modality.inliers[start::2]) for start in (0, 1)]
        if min(half.count for half in running) < 2:
            return None
        halves.append([half.finish() for half in running])
    (v1, v2), (t1, t2) = halves
    return HalfDistances(
        vision=sum(terms_between(v1, v2)),
        text=sum(terms_between(t1, t2)),
        across=(sum(terms_between(v1, t1)) + sum(terms_between(v2, t2))) / 2,
    )
