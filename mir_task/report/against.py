"""MIR against the measures that one could use in its place: which puts more pairs of recipes in the right order?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mir_task.metrics import Better
from mir_task.report.averages import Averaged
from mir_task.report.checkpoint import Checkpoint
from mir_task.report.columns import BASELINES, PROGRESS
from mir_task.report.combined import each_once
from mir_task.report.concordance import MIN_WORTH, ROUNDING, error_over_groups, have_interval, worth
from mir_task.report.schema import Against

Array = NDArray[np.float64]

MIN_RECIPES = 8
"""Recipes of each group from which groups worth fewer than four have a p (``python -m mir_task.bench inference``)."""


def against(averaged: Averaged, named: Mapping[str, Better]) -> list[Against]:
    """MIR against each baseline, and against training step (take the longest trained), over all groups together.

    Args:
        averaged: checkpoints with averages.
        named: baselines besides those known, and which end of each is better.
    """
    groups = averaged.comparison.groups
    columns = dict.fromkeys(name for members in groups.values() for c in members for name in c.extras)
    baselines: dict[str, Better] = {
        name: {**BASELINES, **named}.get(name, "lower") for name in columns if name not in PROGRESS
    }
    found = [against_one(groups, name, better) for name, better in baselines.items()]
    # One measure of training is enough, and it need not vary in every file: the first that tells models apart.
    trained = (against_one(groups, name, named.get(name, "higher")) for name in PROGRESS if name in columns)
    return [each for each in [*found, next((each for each in trained if each), None)] if each]


def against_one(groups: Mapping[str, Sequence[Checkpoint]], predictor: str, better: Better) -> Against | None:
    """MIR against one baseline; None where it varies in no group, or scores do not."""
    complete = {
        group: [c for c in members if predictor in c.extras] for group, members in each_once(groups).items()
    }
    varying = {g: m for g, m in complete.items() if len({c.extras[predictor] for c in m}) > 1}
    credits = [_credits(members, predictor, better) for members in varying.values()]
    credits = [each for each in credits if each.pairs]
    pairs = sum(each.pairs for each in credits)
    if not pairs:
        return None
    mir, baseline = (sum(float(each.sums[which]) for each in credits) / pairs for which in (0, 1))
    known = difference_error(credits, mir - baseline)
    interval, p, reversed_p = None, None, None
    if known:
        error, freedom = known
        if have_interval(np.array([each.pairs for each in credits], dtype=np.float64)):
            width = float(stats.t.ppf(0.975, freedom)) * error
            interval = (max(-1.0, mir - baseline - width), min(1.0, mir - baseline + width))
        p = float(stats.t.sf((mir - baseline) / error, freedom))
        reversed_p = 1 - p
    return Against(
        predictor=predictor,
        better=better,
        groups=len(credits),
        recipes=sum(len(each.differ) for each in credits),
        pairs=pairs,
        mir_share=mir,
        baseline_share=baseline,
        difference=mir - baseline,
        interval=interval,
        p=p,
        p_baseline_better=reversed_p,
    )


def difference_error(credits: Sequence[Credits], difference: float) -> tuple[float, float] | None:
    """Standard error of the difference in share of pairs in order, and its degrees of freedom.

    Over groups, which may be unlike, where they are worth four. Of fewer, each of at least eight recipes: jackknife
    over the recipes of each group, degrees of freedom by Satterthwaite; of a single group with the normal law, since
    jackknife overestimates the variance there by what Student's t would add. Where both measures are nearly right the
    jackknife is too large: good enough for a test, but its interval would cover too often.

    Returns:
        None where neither is possible, or the error would be zero.
    """
    pairs = np.array([each.pairs for each in credits], dtype=np.float64)
    sums = np.array([each.sums[0] - each.sums[1] for each in credits])
    if worth(pairs) >= MIN_WORTH:
        error, freedom = error_over_groups(sums - difference * pairs, pairs), worth(pairs) - 1
    elif min(len(each.differ) for each in credits) >= MIN_RECIPES:
        variances = []
        for each in credits:
            of_recipes, recipes = each.without_each(), len(each.differ)
            left_out = (sums.sum() - of_recipes[0]) / (pairs.sum() - of_recipes[1])
            spread = float(np.square(left_out - left_out.mean()).sum())
            variances.append((recipes - 1) / recipes * spread)
        error, freedom = math.sqrt(sum(variances)), math.inf
        if len(credits) > 1 and error:
            sizes = [len(each.differ) for each in credits]
            freedom = error**4 / sum(v**2 / (n - 1) for v, n in zip(variances, sizes, strict=True))
    else:
        return None
    return (error, freedom) if error > ROUNDING else None


@dataclass(frozen=True)
class Credits:
    """What each of two predictors gets for each pair of one group's models: 1 in order, 1/2 tied, 0 otherwise."""

    mir: Array
    """[n, n], 0 where the scores are equal."""
    baseline: Array
    """[n, n], the same."""
    differ: NDArray[np.bool_]
    """[n, n], pairs whose scores differ."""

    @property
    def pairs(self) -> int:
        """Pairs whose scores differ, each once."""
        return int(self.differ.sum()) // 2

    @property
    def sums(self) -> tuple[float, float]:
        """Credit of MIR and of the baseline over all pairs."""
        return float(self.mir.sum()) / 2, float(self.baseline.sum()) / 2

    def without_each(self) -> tuple[Array, Array]:
        """Difference in credit [n] and number of pairs [n] that each model takes part in."""
        return (self.mir - self.baseline).sum(axis=0), self.differ.sum(axis=0).astype(np.float64)


def _credits(members: Sequence[Checkpoint], predictor: str, better: Better) -> Credits:
    scores = _signs([c.average or 0.0 for c in members])
    mir = -_signs([c.mir for c in members]) * scores
    sign = 1 if better == "higher" else -1
    baseline = sign * _signs([c.extras[predictor] for c in members]) * scores
    differ = scores != 0
    return Credits(np.where(differ, (1 + mir) / 2, 0.0), np.where(differ, (1 + baseline) / 2, 0.0), differ)


def _signs(values: Sequence[float]) -> Array:
    x = np.asarray(values, dtype=np.float64)
    return np.sign(x[:, None] - x[None, :])
