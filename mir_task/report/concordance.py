"""Kendall's concordance summed over groups: its exact distribution by chance, and an interval of the share in order.

scipy tests one group at a time, and its exact Kendall test knows no ties. Within a group every order of the scores is
equally likely by chance. Groups are independent, so the distribution of their sum is the convolution of theirs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from mir_task.report.schema import Interval

Array = NDArray[np.float64]

MAX_TO_ENUMERATE = 8
"""8! = 40,320 orders can all be tried, where ties in both numbers leave no closed form."""
DRAWS = 100_000
"""Orders drawn of larger groups with ties in both numbers."""
MAX_MODELS = 100
"""Models of a group up to which the distribution is exact; for more it takes minutes, and a normal law is close."""
MAX_PAIRS = 20_000
"""The same of all groups together."""
MIN_GROUPS = 5
MIN_WORTH = 4
"""Groups of equal size that five or more must be worth for an interval: how much shares vary between groups cannot be
known from fewer, nor where one has most of the pairs (``python -m mir_task.bench inference``)."""
MIN_PAIRS = 40
"""Pairs that an interval needs: a share of fewer takes so few values that its interval covers too often."""
ROUNDING = 1e-12
"""Errors below are round-off of zero."""
STEEPEST = 200.0
"""Bound of the tilt per concordant pair: the expected share is then 0 or 1 to all digits."""


@dataclass(frozen=True)
class Chance:
    """Distribution of concordant minus discordant pairs when every order is equally likely."""

    probabilities: Array
    """[2 m + 1], of the differences -m to m."""
    exact: bool

    @property
    def values(self) -> Array:
        """[2 m + 1], the differences themselves."""
        most = len(self.probabilities) // 2
        return np.arange(-most, most + 1, dtype=np.float64)

    def at_least(self, difference: int) -> float:
        """Probability of this difference or a larger one."""
        return min(1.0, float(self.probabilities[difference + len(self.probabilities) // 2 :].sum()))

    def at_most(self, difference: int) -> float:
        """Probability of this difference or a smaller one."""
        return min(1.0, float(self.probabilities[: difference + len(self.probabilities) // 2 + 1].sum()))


def by_chance(x: Array, y: Array) -> Chance:
    """Distribution over all orders of y [n] beside x [n]; the same for either direction of x.

    With ties in at most one of them it is a product of Gaussian binomials (the inversions of a multiset). With ties in
    both, all orders are tried up to eight, and beyond that 100,000 are drawn with a fixed seed. Above 100 models it is
    the normal law of the same variance.
    """
    if len(x) > MAX_MODELS:
        return _normal(_variance(x, y), len(x) * (len(x) - 1) // 2)
    in_x, in_y = (np.unique(values, return_counts=True)[1] for values in (x, y))
    if in_x.max() == 1 or in_y.max() == 1:
        return Chance(_of_multiset(in_y if in_x.max() == 1 else in_x), exact=True)
    signs = np.sign(x[:, None] - x[None, :])
    if len(x) <= MAX_TO_ENUMERATE:
        orders = np.array(list(itertools.permutations(y)))
    else:
        orders = np.random.default_rng(0).permuted(np.tile(y, (DRAWS, 1)), axis=1)
        orders[0] = y  # what was observed is one of the possible orders: no p is zero
    most = len(x) * (len(x) - 1) // 2
    counts = np.zeros(2 * most + 1)
    for some in np.array_split(orders, max(1, orders.size * len(x) // 4_000_000)):
        differences = (signs * np.sign(some[:, :, None] - some[:, None, :])).sum(axis=(1, 2)) / 2
        counts += np.bincount(differences.astype(np.int64) + most, minlength=2 * most + 1)
    return Chance(counts / counts.sum(), exact=len(x) <= MAX_TO_ENUMERATE)


def together(groups: Sequence[Chance]) -> Chance:
    """Distribution of the sum over independent groups; above 20,000 pairs the normal law of the same variance."""
    most = sum(len(group.probabilities) // 2 for group in groups)
    if most > MAX_PAIRS:
        return _normal(sum(float(group.probabilities @ np.square(group.values)) for group in groups), most)
    probabilities = reduce(np.convolve, (group.probabilities for group in groups), np.ones(1))
    return Chance(probabilities, exact=all(group.exact for group in groups))


def _normal(variance: float, most: int) -> Chance:
    values = np.arange(-most, most + 1, dtype=np.float64)
    weights = np.exp(-np.square(values) / (2 * variance)) if variance else (values == 0).astype(np.float64)
    return Chance(weights / weights.sum(), exact=False)


def _variance(x: Array, y: Array) -> float:
    """Variance of the difference under chance, with ties (Kendall, Rank Correlation Methods, 1970, chapter 4)."""
    n = len(x)
    ties = [np.unique(values, return_counts=True)[1].astype(np.float64) for values in (x, y)]
    first = n * (n - 1) * (2 * n + 5) - sum(float((t * (t - 1) * (2 * t + 5)).sum()) for t in ties)
    second = math.prod(float((t * (t - 1) * (t - 2)).sum()) for t in ties) / (9 * n * (n - 1) * (n - 2))
    third = math.prod(float((t * (t - 1)).sum()) for t in ties) / (2 * n * (n - 1))
    return first / 18 + second + third


def share_interval(correct: Sequence[int], pairs: Sequence[int], chance: Chance) -> Interval | None:
    """95% interval of the expected share of pairs in order; None where :func:`have_interval` says so.

    Student's t over groups, whose recipes and whose shares may differ, on the scale of the share's arcsine root, where
    its error depends least on itself (delta method). Where groups do not differ, or every pair is in order or none, the
    groups say nothing of the error: then the tests of the tilted chance distribution (Mallows' model) that do not
    reject, with mid-p.

    Args:
        correct: pairs in order, by group.
        pairs: pairs that differ in both numbers, by group.
        chance: distribution of the difference over all groups.
    """
    total, right = sum(pairs), sum(correct)
    sizes = np.asarray(pairs, dtype=np.float64)
    if not have_interval(sizes):
        return None
    share = right / total
    error = error_over_groups(np.asarray(correct) - share * sizes, sizes)
    if error <= ROUNDING:
        return _of_tilted(chance, 2 * right - total, total)
    width = float(stats.t.ppf(0.975, worth(sizes) - 1)) * error / (2 * math.sqrt(share * (1 - share)))
    angles = np.arcsin(math.sqrt(share)) + width * np.array([-1, 1])
    low, high = np.square(np.sin(angles.clip(0, math.pi / 2)))
    return float(low), float(high)


def have_interval(pairs: Array) -> bool:
    """Whether groups of these pairs [G] have intervals: 40 pairs, five groups with some, worth four of equal size."""
    return bool(pairs.sum() >= MIN_PAIRS and (pairs > 0).sum() >= MIN_GROUPS and worth(pairs) >= MIN_WORTH)


def error_over_groups(residuals: Array, pairs: Array) -> float:
    """Standard error of a ratio of sums over groups that need not be alike (MacKinnon and White's HC2).

    Source: Journal of Econometrics 29 (1985), 305-325, for the mean of the groups' ratios weighted by their pairs.

    Args:
        residuals: [G] a group's sum less the ratio times its pairs.
        pairs: [G] pairs of each group; none has them all.
    """
    total = pairs.sum()
    return math.sqrt(float((np.square(residuals) / (1 - pairs / total)).sum())) / float(total)


def worth(pairs: Array) -> float:
    """Groups of equal size that groups of these pairs are worth (Kish's effective number); 0 without any pairs."""
    return float(pairs.sum() ** 2 / np.square(pairs).sum()) if pairs.any() else 0.0


def _of_tilted(chance: Chance, difference: int, total: int) -> Interval | None:
    at = difference + len(chance.probabilities) // 2
    if chance.probabilities[at] == 0:
        return None  # too rare for a float: hundreds of recipes in one order

    def above(probabilities: Array) -> float:
        return float(probabilities[at:].sum() - probabilities[at] / 2) - 0.025

    def below(probabilities: Array) -> float:
        return float(probabilities[: at + 1].sum() - probabilities[at] / 2) - 0.025

    ends = [
        solved(chance, above) if difference > -total else -math.inf,
        solved(chance, below) if difference < total else math.inf,
    ]
    low, high = (
        (math.copysign(1, tilt) if math.isinf(tilt) else float(tilted(chance, tilt) @ chance.values) / total)
        for tilt in ends
    )
    return max(0.0, (1 + low) / 2), min(1.0, (1 + high) / 2)


def solved(chance: Chance, condition: Callable[[Array], float]) -> float:
    """The tilt at which a condition on the probabilities, rising or falling with it, is zero."""
    return float(
        optimize.brentq(lambda tilt: condition(tilted(chance, tilt)), -STEEPEST, STEEPEST, xtol=1e-10)
    )


def tilted(chance: Chance, tilt: float) -> Array:
    """The probabilities times exp(tilt x difference), normalised: Mallows' model of an order that is not chance."""
    with np.errstate(divide="ignore"):
        logarithms = np.log(chance.probabilities) + tilt * chance.values
    weights = np.exp(logarithms - logarithms.max())
    return np.asarray(weights / weights.sum())


def _of_multiset(ties: Sequence[int] | NDArray[np.int64]) -> Array:
    """Distribution of the difference when one number has ties of these sizes and the other none."""
    discordant, placed = np.ones(1), 0
    for size in map(int, ties):
        discordant = np.convolve(discordant, _inserted(placed, size))
        placed += size
    spread = np.zeros(2 * len(discordant) - 1)
    spread[::2] = discordant  # symmetric: concordant pairs are distributed as discordant ones
    most = placed * (placed - 1) // 2
    margin = most - (len(discordant) - 1)
    return np.pad(spread, margin)


def _inserted(old: int, new: int) -> Array:
    """Distribution of the discordant pairs that ``new`` tied values make among ``old`` ones: a Gaussian binomial."""
    if new == 1:
        return np.full(old + 1, 1 / (old + 1))
    ways = np.zeros((new + 1, old * new + 1))
    ways[0, 0] = 1.0
    for _ in range(old + new):
        after = np.zeros_like(ways)
        after[1:] += ways[:-1]  # the next place takes a new value
        for taken in range(new + 1):  # or an old one, behind the new values placed so far
            after[taken, taken:] += ways[taken, : ways.shape[1] - taken]
        ways = after
    return np.asarray(ways[new] / ways[new].sum())
