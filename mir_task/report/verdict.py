"""What the numbers allow one to say, in sentences that are all made from the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mir_task.report.compare import Checkpoint, Comparison
from mir_task.report.records import listing
from mir_task.report.regress import BesideMIR
from mir_task.report.schema import Combined, Fit, Pooled, RankingAccuracy
from mir_task.report.text import (
    count,
    interval,
    join,
    number,
    p_equals,
    p_exactly,
    percent,
    percent_interval,
    sentence,
    short,
)

SIGNIFICANCE = 0.05
"""An order that chance gives less often than this is more than chance."""

MOST_GROUPS = 4
"""Groups whose best model a headline can name."""


@dataclass(frozen=True)
class Verdict:
    """A headline and the sentences that explain it."""

    headline: str
    sentences: list[str]

    @property
    def all(self) -> list[str]:
        """Headline and sentences."""
        return [self.headline, *self.sentences]


def verdict(
    comparison: Comparison,
    fits: Sequence[Fit],
    pool: Pooled | None,
    beside_mir: Sequence[BesideMIR],
    combined: Combined | None = None,
) -> Verdict:
    """Say which checkpoint is best, how well MIR predicted scores, and how sure that is."""
    related = [fit for fit in fits if fit.spearman]
    if not related:
        return Verdict(_best(comparison), [*_noise(comparison), *_nothing_to_relate(fits)])
    sentences = [
        _ordering(related),
        _certainty(related, combined),
        _size(related),
        *_across(pool, related),
        *_against_baselines(beside_mir),
        *_noise(comparison),
    ]
    return Verdict(_headline(related), sentences)


def _headline(fits: Sequence[Fit]) -> str:
    if len(fits) == 1:
        return _headline_of_one(fits[0])
    falling = sum(_rho(fit) < 0 for fit in fits)
    hits = sum(_found_best(fit) for fit in fits)
    return (
        f"Lower MIR went with higher scores in {_of(falling, len(fits))} groups; choosing the lowest MIR found "
        f"the best model in {_of(hits, len(fits))}."
    )


def _headline_of_one(fit: Fit) -> str:
    rho = _rho(fit)
    went = "higher" if rho < 0 else "lower" if rho > 0 else "no different"
    doubt = "" if _is_sure(fit) or rho == 0 else ", no more closely than chance may"
    chose = "found the best model" if _found_best(fit) else f"lost {_lost(fit)} points"
    return f"Among {count(fit.n, 'model')}, lower MIR went with {went} scores{doubt}; choosing the lowest MIR {chose}."


def _ordering(fits: Sequence[Fit]) -> str:
    counted = [fit.ranking_accuracy for fit in fits if fit.ranking_accuracy]
    pairs, right = sum(a.pairs for a in counted), sum(a.correct for a in counted)
    lost = [fit.regret for fit in fits if fit.regret]
    mean_lost = math.fsum(r.lost for r in lost) / len(lost)
    chance = math.fsum(r.by_chance for r in lost) / len(lost)
    within = " within groups" if len(fits) > 1 else ""
    mean = "on average " if len(fits) > 1 else ""
    share = percent(right / pairs if pairs else None)
    return (
        f"Of {count(pairs, 'pair')} of models{within} that differ in both, MIR put {right} in the order of their "
        f"scores ({share}). Choosing the lowest MIR lost {mean}{number(mean_lost, 2)} "
        f"points against the best model; a random choice would have lost {number(chance, 2)}."
    )


def _certainty(fits: Sequence[Fit], combined: Combined | None) -> str:
    """Whether the order of the models is more than chance: in all groups together, then in each."""
    alone = _certainty_of_each(fits)
    if combined is None or combined.groups < 2:
        return f"{sentence(alone)}."
    return f"{_together(combined)} Of the groups alone: {alone}."


def _together(combined: Combined) -> str:
    """What the groups say together, and how surely."""
    if combined.p < SIGNIFICANCE:
        claim, p = "lower MIR goes with higher scores, more surely than chance allows", combined.p
    elif combined.p_reversed < SIGNIFICANCE:
        claim, p = "higher MIR goes with higher scores, more surely than chance allows", combined.p_reversed
    else:
        claim, p = "the order of the models cannot be told from chance", combined.p
    spread = f", 95% interval {percent_interval(combined.interval)}" if combined.interval else ""
    return (
        f"Together, within {count(combined.groups, 'group')} of {count(combined.recipes, 'model')}, {claim} "
        f"({p_exactly(p)}, one-sided, by permutation within groups): {percent(combined.concordance)} of pairs are in "
        f"order{spread}; a coin would get 50%."
    )


def _certainty_of_each(fits: Sequence[Fit]) -> str:
    """In which groups the order of the models is more than chance."""
    sure = [fit for fit in fits if _is_sure(fit)]
    hopeless = [fit for fit in fits if _least_p(fit.n) >= SIGNIFICANCE]
    clauses = [
        _clause("the order of the models is more than chance", [fit for fit in sure if _rho(fit) < 0], fits),
        _clause(
            "the order is reversed, more than chance allows,", [fit for fit in sure if _rho(fit) >= 0], fits
        ),
        _clause(
            "it cannot be told from chance", [f for f in fits if f not in sure and f not in hopeless], fits
        ),
        _too_few(hopeless, fits),
    ]
    return "; ".join(filter(None, clauses))


def _clause(claim: str, some: Sequence[Fit], fits: Sequence[Fit]) -> str:
    """The claim about some of the groups, each with its p-value; nothing where it is true of none."""
    if not some:
        return ""
    if len(fits) == 1:
        return f"{claim} here ({_p(fits[0])})"
    names = short([fit.group for fit in fits])
    return f"{claim} in {join([f'{names[fit.group]} ({_p(fit)})' for fit in some])}"


def _too_few(hopeless: Sequence[Fit], fits: Sequence[Fit]) -> str:
    """The groups of so few models that no order of them could be more than chance."""
    if not hopeless:
        return ""
    names = short([fit.group for fit in fits])
    most = max(fit.n for fit in hopeless)
    some = str(most) if all(fit.n == most for fit in hopeless) else f"at most {most}"
    where = "" if len(hopeless) == len(fits) else f" in {join([names[fit.group] for fit in hopeless])}"
    return (
        f"with {some} models{where} even a perfect order could be chance (p is at least {_least_p(most):.3f})"
    )


def _size(fits: Sequence[Fit]) -> str:
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
    return sentence(
        f"{where}one unit of MIR went with {number(fit.slope.estimate, 2)} points, 95% interval "
        f"{interval(fit.slope.interval)}; a line through the other models predicted a left-out score to "
        f"{number(fit.loo.rmse, 2)} points, their mean to {number(fit.loo.rmse_of_mean, 2)}.{moved}"
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


def _across(pool: Pooled | None, fits: Sequence[Fit]) -> list[str]:
    if len(fits) < 2:
        return []
    if pool is None or pool.pearson is None or pool.spearman is None or pool.slope is None:
        return ["The groups are not pooled: no two of them have averages over the same named benchmarks."]
    names = short([*pool.groups, *pool.left_out])
    text = (
        f"Across {join([names[group] for group in pool.groups])} ({count(pool.n, 'model')}, the same "
        f"{count(len(pool.over), 'benchmark')}) Pearson's r is {number(pool.pearson.r, 2)} and "
        f"Spearman's rho {number(pool.spearman.rho, 2)}"
    )
    found = [text + "."]
    found += _slopes_of(pool)
    if pool.left_out:
        left = join([names[group] for group in pool.left_out])
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


def _against_baselines(beside_mir: Sequence[BesideMIR]) -> list[str]:
    """How often each baseline and MIR order two models right, over all groups."""
    found = []
    for name in dict.fromkeys(both.baseline.predictor for both in beside_mir):
        both_order = [
            (both.baseline.ranking_accuracy, both.mir.ranking_accuracy)
            for both in beside_mir
            if both.baseline.predictor == name
        ]
        theirs = [baseline for baseline, mir in both_order if baseline and mir]
        ours = [mir for baseline, mir in both_order if baseline and mir]
        if theirs:
            found.append(
                f"On the models that have both, {name} ordered {_ordered(theirs)} right, MIR {_ordered(ours)}."
            )
    return found


def _ordered(accuracies: Sequence[RankingAccuracy]) -> str:
    return f"{sum(a.correct for a in accuracies)} of {sum(a.pairs for a in accuracies)} pairs"


def _noise(comparison: Comparison) -> list[str]:
    several = {group: members for group, members in comparison.groups.items() if len(members) > 1}
    if not several:
        return []
    if not any(c.standard_error is not None for c in comparison.checkpoints):
        return ["No standard error of MIR was given, so small differences in MIR may be noise of the pairs."]
    tied = sum(c.rank[0] != c.rank[1] for members in several.values() for c in members)
    total = sum(map(len, several.values()))
    if not tied:
        return [f"All {total} models differ in MIR beyond its errors (95%, all pairs of models together)."]
    return [
        f"{sentence(count(tied, 'model'))} of {total} cannot be told from another of their group by MIR (95%, all "
        "pairs of models together)."
    ]


def _best(comparison: Comparison) -> str:
    """Which model has the lowest MIR, in each group."""
    if len(comparison.checkpoints) == 1:
        (only,) = comparison.checkpoints
        error = f" ± {number(only.standard_error)}" if only.standard_error is not None else ""
        return f"One model: the MIR of {only.label} is {number(only.mir)}{error}."
    groups = list(comparison.groups.items())
    leaders = [_leader(group, members, len(groups) > 1) for group, members in groups[:MOST_GROUPS]]
    more = f"; and {len(groups) - MOST_GROUPS} more groups" if len(groups) > MOST_GROUPS else ""
    return "; ".join(leaders) + more + "."


def _leader(group: str, members: Sequence[Checkpoint], several: bool) -> str:
    where = f" in {group}" if several else ""
    first = [c.label for c in members if c.rank[0] == 1]
    if len(first) == 1:
        return f"{first[0]} has the lowest MIR{where}"
    shared = join(first) if len(first) < 5 else listing(first, 4)
    return f"{shared} share the lowest MIR{where} within its errors"


def _nothing_to_relate(fits: Sequence[Fit]) -> list[str]:
    if not fits:
        return [
            "How well MIR predicts scores after SFT is not known here: no scores were given. Give --scores a table "
            "with the column model and one column a benchmark, or lmms-eval results of the fine-tuned models with "
            "--mapping; three models give a correlation, four an interval."
        ]
    notes = [f"{fit.group}: {note}" for fit in fits for note in fit.notes]
    return [f"How well MIR predicts scores after SFT cannot be said: {'; '.join(notes)}."]


def _rho(fit: Fit) -> float:
    return fit.spearman.rho if fit.spearman else 0.0


def _p(fit: Fit) -> str:
    return p_equals(fit.spearman.p if fit.spearman else None)


def _is_sure(fit: Fit) -> bool:
    return bool(fit.spearman and fit.spearman.p is not None and fit.spearman.p < SIGNIFICANCE)


def _least_p(models: int) -> float:
    """The two-sided p-value of a perfect order: one of two among all orders."""
    return 2 / math.factorial(min(models, 20))


def _found_best(fit: Fit) -> bool:
    return bool(fit.regret and fit.regret.lost <= 1e-9)


def _lost(fit: Fit) -> str:
    return number(fit.regret.lost, 2) if fit.regret else ""


def _of(some: int, total: int) -> str:
    return f"all {total}" if some == total else f"{some} of {total}"
