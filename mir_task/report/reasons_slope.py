"""Sentences: how many points a lower MIR is worth, in a group and across groups."""

from __future__ import annotations

from collections.abc import Sequence

from mir_task.report.schema import Fit, Pooled
from mir_task.report.text import count, interval, join, number, p_equals, sentence, short

SIGNIFICANCE = 0.05
"""An order that chance gives less often than this is more than chance."""
MOST_NAMED = 12
"""Groups that a sentence names; more are counted."""


def size(fits: Sequence[Fit]) -> str:
    """How many points a lower MIR is worth."""
    tried = [fit for fit in fits if fit.slope and fit.loo]
    if not tried:
        return "The models are too few to say how many points a lower MIR is worth."
    if len(tried) > 1:
        return _size_in_several(tried)
    names = short([fit.group for fit in fits])
    return _size_in_one(tried[0], "" if len(fits) == 1 else f"in {names[tried[0].group]} ")


def _size_in_one(fit: Fit, where: str) -> str:
    assert fit.slope and fit.loo
    moved = ""
    if fit.influence:
        without = number(fit.influence.slope_without, 2)
        moved = f" Without {fit.influence.model}, which moves it most, the slope is {without}."
    sure = (
        f"95% interval {interval(fit.slope.interval)}"
        if fit.slope.interval
        else "too few models for an interval"
    )
    return sentence(
        f"{where}one unit of MIR went with {number(fit.slope.estimate, 2)} points, {sure}; a line through the "
        f"other models predicted a left-out score to {number(fit.loo.rmse, 2)} points, their mean "
        f"to {number(fit.loo.rmse_of_mean, 2)}.{moved}"
    )


def _size_in_several(fits: Sequence[Fit]) -> str:
    better = sum(bool(fit.loo and fit.loo.better_than_mean) for fit in fits)
    slopes = [fit.slope.estimate for fit in fits if fit.slope]
    intervals = [fit.pearson.interval for fit in fits if fit.pearson and fit.pearson.interval]
    with_zero = sum(low <= 0 <= high for low, high in intervals)
    text = f"slopes run from {number(min(slopes), 1)} to {number(max(slopes), 1)} points per unit of MIR"
    if with_zero or better < len(fits):
        text = f"how much a lower MIR is worth is less certain: {text}"
    if with_zero:
        text += f", and the interval of Pearson's r includes zero in {_of(with_zero, len(intervals))} groups"
    return (
        f"{sentence(text)}. A line through the other models predicted a left-out score better than their mean in "
        f"{_of(better, len(fits))} groups."
    )


def across(pool: Pooled | None, fits: Sequence[Fit]) -> list[str]:
    """What the groups say in one pool."""
    if len(fits) < 2:
        return []
    if pool is None or pool.pearson is None or pool.spearman is None or pool.slope is None:
        return ["The groups are not pooled: no two of them have averages over the same named benchmarks."]
    names = short([*pool.groups, *pool.left_out])
    text = (
        f"Across {_named([names[group] for group in pool.groups])} ({count(pool.n, 'model')}, the same "
        f"{count(len(pool.over), 'benchmark')}) Pearson's r is {number(pool.pearson.r, 2)} and "
        f"Spearman's rho {number(pool.spearman.rho, 2)}"
    )
    found = [text + "."]
    found += _slopes_of(pool)
    if pool.left_out:
        left = _named([names[group] for group in pool.left_out])
        found.append(f"{left} {'is' if len(pool.left_out) == 1 else 'are'} not in the pool (reasons below).")
    return found


def _slopes_of(pool: Pooled) -> list[str]:
    """What the slope of the pool is worth: against that within groups, between groups, and without one model."""
    assert pool.slope
    found = []
    pooled, within = number(pool.slope.estimate, 1), pool.within
    if pool.disagreement == "sign" and within:
        found.append(
            f"Simpson warning: the slopes of the pool ({pooled}) and within groups "
            f"({number(within.slope, 1)}, 95% interval {interval(within.interval, 1)}) have opposite signs: a "
            "difference in MIR between experiments does not mean what it means within one."
        )
    if pool.interaction:
        first, second = pool.interaction.degrees_of_freedom
        test = f"F({first}, {second}) = {number(pool.interaction.f, 1)}, {p_equals(pool.interaction.p)}"
        found.append(
            f"The groups have different slopes (interaction of group and MIR: {test}): one unit of MIR is not worth "
            "the same in each."
            if pool.interaction.p < SIGNIFICANCE
            else "That the groups have different slopes cannot be told from chance (interaction of group and MIR: "
            f"{test})."
        )
    if pool.influence:
        found.append(
            f"The pooled slope is {pooled} points per unit of MIR, and {number(pool.influence.slope_without, 1)} "
            f"without {pool.influence.model}, the model that moves it most."
        )
    return found


def _named(groups: Sequence[str]) -> str:
    return join(groups) if len(groups) <= MOST_NAMED else count(len(groups), "group")


def _of(some: int, total: int) -> str:
    return f"all {total}" if some == total else f"{some} of {total}"
