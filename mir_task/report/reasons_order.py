"""Sentences: how many pairs of models MIR puts in order, and where that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mir_task.report.schema import Combined, Fit
from mir_task.report.text import (
    count,
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


def ordering(fits: Sequence[Fit]) -> str:
    """How many pairs of models MIR puts in order, each group counted whole."""
    counted = [fit.ranking_accuracy for fit in fits if fit.ranking_accuracy]
    pairs, right = sum(a.pairs for a in counted), sum(a.correct for a in counted)
    within = " within groups" if len(fits) > 1 else ""
    share = percent(right / pairs if pairs else None)
    return (
        f"Of {count(pairs, 'pair')} of models{within} that differ in both, MIR put {right} in the order of their "
        f"scores ({share})."
    )


def cost(fits: Sequence[Fit]) -> str:
    """Points that choosing the lowest MIR lost, against a random choice."""
    lost = [fit.regret for fit in fits if fit.regret]
    mean_lost = math.fsum(r.lost for r in lost) / len(lost)
    chance = math.fsum(r.by_chance for r in lost) / len(lost)
    mean = "on average " if len(fits) > 1 else ""
    return (
        f"Choosing the lowest MIR lost {mean}{number(mean_lost, 2)} points against the best model with a score; a "
        f"random choice would have lost {number(chance, 2)}."
    )


def certainty(fits: Sequence[Fit], combined: Combined | None) -> str:
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


def _rho(fit: Fit) -> float:
    return fit.spearman.rho if fit.spearman else 0.0


def _p(fit: Fit) -> str:
    return p_equals(fit.spearman.p if fit.spearman else None)


def _is_sure(fit: Fit) -> bool:
    return bool(fit.spearman and fit.spearman.p is not None and fit.spearman.p < SIGNIFICANCE)


def _least_p(models: int) -> float:
    """The two-sided p-value of a perfect order: one of two among all orders."""
    return 2 / math.factorial(min(models, 20))
