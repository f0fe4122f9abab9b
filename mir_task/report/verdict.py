"""What the numbers allow one to say, in sentences. Every one is generated; none is kept for a good occasion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mir_task.report.compare import Checkpoint, Comparison
from mir_task.report.records import listing
from mir_task.report.schema import Fit, Pooled
from mir_task.report.text import count, interval, join, number, p_equals, percent, sentence, short

LEVEL = 0.05


@dataclass(frozen=True)
class Verdict:
    """One line for the head of the page, and what stands behind it."""

    headline: str
    sentences: list[str]

    @property
    def all(self) -> list[str]:
        """Headline and sentences."""
        return [self.headline, *self.sentences]


def verdict(
    comparison: Comparison, fits: Sequence[Fit], pool: Pooled | None, others: Sequence[Fit]
) -> Verdict:
    """Say which checkpoint is best, how well MIR predicted scores, and how sure that is."""
    related = [fit for fit in fits if fit.spearman]
    if not related:
        return Verdict(_best(comparison), [*_noise(comparison), *_nothing_to_relate(fits)])
    sentences = [
        _ordering(related),
        _certainty(related),
        _size(related),
        *_across(pool, related),
        *_against_baselines(others),
        *_noise(comparison),
    ]
    return Verdict(_headline(related), [text for text in sentences if text])


def _headline(fits: Sequence[Fit]) -> str:
    falling = [fit for fit in fits if fit.spearman and fit.spearman.rho < 0]
    hits = sum(_found_best(fit) for fit in fits)
    if len(fits) == 1:
        (fit,) = fits
        went = "higher" if falling else "lower" if fit.spearman and fit.spearman.rho > 0 else "no different"
        chose = "found the best model" if hits else f"lost {_lost(fit)} points"
        sure = fit.spearman and fit.spearman.p is not None and fit.spearman.p < LEVEL
        doubt = "" if sure or went == "no different" else ", no more closely than chance may"
        related = f"Among {count(fit.n, 'model')}, lower MIR went with {went} scores{doubt}"
        return f"{related}; choosing the lowest MIR {chose}."
    return (
        f"Lower MIR went with higher scores in {_of(len(falling), len(fits))} groups; choosing the lowest MIR found "
        f"the best model in {_of(hits, len(fits))}."
    )


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


def _certainty(fits: Sequence[Fit]) -> str:
    names = short([fit.group for fit in fits])
    sure = [fit for fit in fits if fit.spearman and fit.spearman.p is not None and fit.spearman.p < LEVEL]
    right = [fit for fit in sure if fit.spearman and fit.spearman.rho < 0]
    wrong = [fit for fit in sure if fit not in right]
    hopeless = [fit for fit in fits if 2 / math.factorial(min(fit.n, 20)) >= LEVEL]
    unsure = [fit for fit in fits if fit not in sure and fit not in hopeless]

    def listed(some: Sequence[Fit]) -> str:
        return (
            join([f"{names[fit.group]} ({p_equals(fit.spearman.p)})" for fit in some if fit.spearman])
            if len(fits) > 1
            else "here (" + "".join(p_equals(fit.spearman.p) for fit in some if fit.spearman) + ")"
        )

    parts = []
    if right:
        parts.append(
            f"the order of the models is more than chance in {listed(right)}".replace("in here", "here")
        )
    if wrong:
        parts.append(
            f"the order is reversed, more than chance allows, in {listed(wrong)}".replace("in here", "here")
        )
    if unsure:
        parts.append(f"it cannot be told from chance in {listed(unsure)}".replace("in here", "here"))
    if hopeless:
        most = max(fit.n for fit in hopeless)
        least = 2 / math.factorial(most)
        where = "" if len(fits) == len(hopeless) else f" in {join([names[fit.group] for fit in hopeless])}"
        parts.append(
            f"with {most if len({f.n for f in hopeless}) == 1 else f'at most {most}'} models{where} even a perfect "
            f"order could be chance (p is at least {least:.3f})"
        )
    return sentence("; ".join(parts)) + "."


def _size(fits: Sequence[Fit]) -> str:
    tried = [fit for fit in fits if fit.loo]
    if not tried:
        return "The models are too few to say how many points a lower MIR is worth."
    better = sum(bool(fit.loo and fit.loo.better_than_mean) for fit in tried)
    slopes = sorted(fit.slope.estimate for fit in tried if fit.slope)
    drawn = [fit for fit in tried if fit.pearson and fit.pearson.interval]
    open_ended = [
        fit for fit in drawn if fit.pearson and fit.pearson.interval and fit.pearson.interval[1] >= 0
    ]
    if len(tried) == 1:
        fit = tried[0]
        assert fit.slope and fit.loo
        return (
            f"One unit of MIR went with {number(fit.slope.estimate, 2)} points, 95% interval "
            f"{interval(fit.slope.interval)}; a line through the other models predicted a left-out score to "
            f"{number(fit.loo.rmse, 2)} points, their mean to {number(fit.loo.rmse_of_mean, 2)}."
        )
    spread = f"slopes run from {number(slopes[0], 1)} to {number(slopes[-1], 1)} points per unit of MIR"
    doubt = (
        f", and the interval of Pearson's r includes zero in {_of(len(open_ended), len(drawn))} groups"
        if open_ended
        else ""
    )
    less = "How much a lower MIR is worth is less certain: " if open_ended or better < len(tried) else ""
    return (
        f"{sentence(less + spread)}{doubt}. A line through the other models predicted "
        f"a left-out score better than their mean in {_of(better, len(tried))} groups."
    )


def _across(pool: Pooled | None, fits: Sequence[Fit]) -> list[str]:
    if len(fits) < 2:
        return []
    if pool is None or pool.pearson is None or pool.spearman is None or pool.slope is None:
        return ["The groups are not pooled: no two of them have averages over the same named benchmarks."]
    names = short([*pool.groups, *pool.left_out])
    text = (
        f"Across {join([names[group] for group in pool.groups])} ({count(pool.n, 'model')}, the same "
        f"{count(len(pool.over), 'benchmark')}) Pearson's r is {number(pool.pearson.r, 2)} "
        f"{interval(pool.pearson.interval)} and Spearman's rho {number(pool.spearman.rho, 2)}"
    )
    found = [text + "."]
    if pool.disagreement and pool.within:
        how = "have opposite signs" if pool.disagreement == "sign" else "differ by more than a factor of two"
        found.append(
            f"Simpson warning: the slopes of the pool ({number(pool.slope.estimate, 1)}) and within groups "
            f"({number(pool.within.slope, 1)}, 95% interval {interval(pool.within.interval, 1)}) {how}: a difference "
            "in MIR between experiments does not mean what it means within one."
        )
    if pool.left_out:
        left = join([names[group] for group in pool.left_out])
        found.append(f"{left} {'is' if len(pool.left_out) == 1 else 'are'} not in the pool (reasons below).")
    return found


def _against_baselines(fits: Sequence[Fit]) -> list[str]:
    found = []
    for name in dict.fromkeys(fit.predictor for fit in fits if fit.predictor != "mir"):
        pairs = [
            (theirs.ranking_accuracy, ours.ranking_accuracy)
            for theirs, ours in zip(fits[::2], fits[1::2], strict=True)
            if theirs.predictor == name and theirs.ranking_accuracy and ours.ranking_accuracy
        ]
        if pairs:
            a, b = (
                f"{sum(p[k].correct for p in pairs)} of {sum(p[k].pairs for p in pairs)} pairs"
                for k in (0, 1)
            )
            found.append(f"On the models that have both, {name} ordered {a} right, MIR {b}.")
    return found


def _noise(comparison: Comparison) -> list[str]:
    several = {group: members for group, members in comparison.groups.items() if len(members) > 1}
    if not several:
        return []
    if not any(c.standard_error is not None for c in comparison.checkpoints):
        return ["No standard error of MIR was given, so small differences in MIR may be noise of the pairs."]
    tied = sum(c.rank[0] != c.rank[1] for members in several.values() for c in members)
    total = sum(map(len, several.values()))
    if not tied:
        return [f"All {total} models differ in MIR by more than its standard error."]
    return [
        f"{sentence(count(tied, 'model'))} of {total} cannot be told from a neighbour by MIR's standard error."
    ]


def _best(comparison: Comparison) -> str:
    groups = comparison.groups
    if len(comparison.checkpoints) == 1:
        (only,) = comparison.checkpoints
        error = f" ± {number(only.standard_error)}" if only.standard_error is not None else ""
        return f"One model: the MIR of {only.label} is {number(only.mir)}{error}."
    parts = [_leader(group, members, len(groups) > 1) for group, members in list(groups.items())[:4]]
    more = f"; and {len(groups) - 4} more groups" if len(groups) > 4 else ""
    return "; ".join(parts) + more + "."


def _leader(group: str, members: Sequence[Checkpoint], several: bool) -> str:
    where = f" in {group}" if several else ""
    first = [c.label for c in members if c.rank[0] == 1]
    if len(first) == 1:
        return f"{first[0]} has the lowest MIR{where}"
    shared = join(first) if len(first) < 5 else listing(first, 4)
    return f"{shared} share the lowest MIR{where} within its standard error"


def _nothing_to_relate(fits: Sequence[Fit]) -> list[str]:
    if not fits:
        return [
            "How well MIR predicts scores after SFT is not known here: no scores were given. Give --scores a table "
            "with the column model and one column a benchmark, or lmms-eval results of the fine-tuned models with "
            "--mapping; three models give a correlation, four an interval."
        ]
    notes = [f"{fit.group}: {note}" for fit in fits for note in fit.notes]
    return [f"How well MIR predicts scores after SFT cannot be said: {'; '.join(notes)}."]


def _found_best(fit: Fit) -> bool:
    return bool(fit.regret and fit.regret.lost <= 1e-9)


def _lost(fit: Fit) -> str:
    return number(fit.regret.lost, 2) if fit.regret else ""


def _of(some: int, total: int) -> str:
    return f"all {total}" if some == total else f"{some} of {total}"
