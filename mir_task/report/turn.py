"""Whether MIR of one training rises, falls, or has risen and now falls.

MIR of real language models first rises in pre-training and then falls. Before the turn the least trained checkpoint
has the lowest MIR, so that MIR may only be compared after it.

Differences between steps count where they exceed what two kinds of noise allow. Noise of the pairs: the standard error
of the difference, by paired jackknife values where both points have them of the same groups of pairs; otherwise both
errors as if independent, which is too large for the same pairs. Noise of training: how far each point lies off the line
between its neighbours, from five points on. The larger of the two is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from mir_task.report.trajectory import Point, Trajectory

LEVEL = 0.05
"""How often a turn may be claimed where there is none."""
MIN_FOR_JITTER = 5
"""Points from which the noise of training is estimated."""

Kind = Literal["rising", "falling", "turned", "cannot tell"]


@dataclass(frozen=True)
class Turn:
    """The step at which MIR was highest, where it has risen before and fallen since."""

    step: float
    earliest: float
    latest: float
    """Steps between which all points lie that cannot be told from the highest."""


@dataclass(frozen=True)
class Direction:
    """Where MIR of a training goes."""

    kind: Kind
    turn: Turn | None = None
    """Where it has turned."""


def direction(trajectory: Trajectory) -> Direction:
    """Where MIR goes, from first point to last; ``cannot tell`` also where no standard error is known."""
    if found := turn(trajectory):
        return Direction("turned", found)
    first, last = trajectory.points[0], trajectory.points[-1]
    noise = _Noise(trajectory)
    if noise.exceeds(last, first, LEVEL / 2):
        return Direction("rising")
    if noise.exceeds(first, last, LEVEL / 2):
        return Direction("falling")
    return Direction("cannot tell")


def turn(trajectory: Trajectory) -> Turn | None:
    """The step at which MIR turned from rising to falling; None where that cannot be claimed.

    Claimed where some point lies above the first and above the last point, each by more than noise allows. Every point
    between is tried, so that the level is divided by their number (Bonferroni): where MIR does not rise, or does not
    fall, a turn is claimed in at most 5% of trainings.
    """
    points = trajectory.points
    between = points[1:-1]
    if not between:
        return None
    noise = _Noise(trajectory)
    level = LEVEL / len(between)
    peaks = [
        point
        for point in between
        if noise.exceeds(point, points[0], level) and noise.exceeds(point, points[-1], level)
    ]
    if not peaks:
        return None
    peak = max(peaks, key=lambda point: point.mir)
    alike = [point.step for point in points if point is peak or not noise.exceeds(peak, point, LEVEL / 2)]
    return Turn(peak.step, min(alike), max(alike))


class _Noise:
    """What differences between two points of a trajectory may be by chance."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._jitter = jitter(trajectory) or 0.0

    def exceeds(self, high: Point, low: Point, level: float) -> bool:
        """Whether one point lies above another by more than chance allows, one-sided."""
        known = error_of_difference(high, low)
        if known is None:
            return False
        error, freedom = known
        quantile = (
            float(stats.t.isf(level, freedom)) if math.isfinite(freedom) else float(stats.norm.isf(level))
        )
        allowed = max(quantile * error, float(stats.norm.isf(level)) * math.sqrt(2) * self._jitter)
        return high.mir - low.mir > allowed


def error_of_difference(a: Point, b: Point) -> tuple[float, float] | None:
    """Standard error of the difference of MIR of two points, and its degrees of freedom.

    Returns:
        None where a standard error is not known.
    """
    if a.left_out and b.left_out and a.choice == b.choice:
        # Delete-a-group jackknife of the difference: the noise that both share is not in it.
        differences = np.array(a.left_out) - np.array(b.left_out)
        groups = len(differences)
        spread = float(((differences - differences.mean()) ** 2).sum())
        return math.sqrt((groups - 1) / groups * spread), groups - 1
    if a.standard_error is None or b.standard_error is None:
        return None
    return math.hypot(a.standard_error, b.standard_error), math.inf


def jitter(trajectory: Trajectory) -> float | None:
    """Standard deviation of points around a smooth course, from each one's distance to the line between its neighbours.

    Curvature counts as noise too, so it is rather too large. None below five points.

    Source: Gasser, Sroka and Jennen-Steinmetz, Biometrika 73 (1986), 625-633.
    """
    points = trajectory.points
    if len(points) < MIN_FOR_JITTER:
        return None
    squares = []
    for before, point, after in zip(points, points[1:], points[2:], strict=False):
        share = (after.step - point.step) / (after.step - before.step)
        residual = share * before.mir + (1 - share) * after.mir - point.mir
        squares.append(residual**2 / (share**2 + (1 - share) ** 2 + 1))
    return math.sqrt(math.fsum(squares) / len(squares))
