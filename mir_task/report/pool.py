"""Groups together: only where their averages cover the same benchmarks, and never in the place of each alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import statsmodels.formula.api as smf
from pandas import DataFrame

from mir_task.report import association, choice, regress
from mir_task.report.averages import Averaged, pool_by_benchmarks
from mir_task.report.checkpoint import Checkpoint
from mir_task.report.combined import each_once
from mir_task.report.influence import influence_of
from mir_task.report.interaction import interaction
from mir_task.report.names import not_found
from mir_task.report.records import MIRReportError, listing
from mir_task.report.schema import Fit, Interaction, LeaveOneOut, Pooled, Regret, Slope, WithinGroups
from mir_task.report.ties import ties

NAME = "pooled"
SIGNIFICANCE = 0.05
"""Slopes that chance makes differ as much less often than this differ between groups."""
WAY_OUT = "average over the same benchmarks with --benchmarks common (or --benchmarks A,B)"


def pooled(averaged: Averaged, asked: Sequence[str] = ()) -> Pooled | None:
    """MIR against the average over all models of compatible groups.

    Args:
        averaged: checkpoints with averages.
        asked: the groups to pool; otherwise the largest set of compatible ones.

    Returns:
        None if fewer than two groups of at least two models are compatible.

    Raises:
        MIRReportError: groups asked for that do not exist or whose averages cover different benchmarks.
    """
    scored = {
        group: [c for c in members if c.average is not None]
        for group, members in averaged.comparison.groups.items()
    }
    scored = {group: members for group, members in scored.items() if members}
    groups, left_out = _compatible(averaged, scored, asked)
    if len(groups) < 2:
        return None
    once = each_once({group: scored[group] for group in groups})
    members = [c for group in groups for c in once[group]]
    fit = regress.fit(members, NAME)
    if fit is None or fit.pearson is None or fit.slope is None:
        return None
    data = DataFrame({"mir": [c.mir for c in members], "score": [c.average for c in members]})
    data["group"] = [c.group for c in members]
    data["name"] = [c.label for c in members]
    x, y = data["mir"].to_numpy(), data["score"].to_numpy()
    within = within_groups(data)
    slopes = interaction(data)
    content = _without_intervals(fit) | {
        "regret": _regret({group: scored[group] for group in groups}),
        "groups": groups,
        "left_out": left_out,
        "within": within,
        "interaction": slopes,
        "loo": _left_out_errors(data),
        "ranking_accuracy_within": choice.ranking_accuracy(x, y, "lower", ties(members), list(data["group"])),
        "disagreement": _disagreement(fit.slope, within, slopes),
    }
    return Pooled.model_validate(content)


def _without_intervals(fit: Fit) -> dict[str, Any]:
    """The fit's fields, less the intervals and p-values that take models of one group for independent."""
    content = fit.model_dump()
    for name in ("pearson", "spearman", "kendall"):
        content[name]["p"] = None
    for name in ("pearson", "slope"):
        content[name]["interval"] = None
    return content


def _compatible(
    averaged: Averaged, scored: dict[str, list[Checkpoint]], asked: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """The groups to pool, and why each of the others is left out."""
    if asked:
        if missing := [group for group in asked if group not in scored]:
            raise MIRReportError(not_found("--pool", missing[0], scored, "group with scores"))
        sets = {frozenset(averaged.over[group]) for group in asked}
        if len(sets) > 1 or not all(sets):
            covered = "; ".join(
                f"{group}: {listing(averaged.over[group], 12) or 'not said'}" for group in asked
            )
            raise MIRReportError(
                f"--pool: the averages of these groups cover different benchmarks ({covered}) and cannot be "
                f"pooled; {WAY_OUT}"
            )
        return list(asked), {group: "not asked for" for group in scored if group not in asked}
    sets_of_groups = pool_by_benchmarks(
        averaged.over, [g for g, members in scored.items() if len(members) > 1]
    )
    groups = sets_of_groups[0] if sets_of_groups else []
    inside = frozenset(averaged.over[groups[0]]) if groups else frozenset()
    left_out = {}
    for group in scored:
        if group in groups:
            continue
        over = frozenset(averaged.over[group])
        if not over:
            left_out[group] = "its source does not say which benchmarks its average covers"
        elif over == inside:
            left_out[group] = "it has a single model"
        else:
            extra, lacking = sorted(over - inside), sorted(inside - over)
            clauses = [f"also covers {listing(extra, 12)}"] if extra else []
            clauses += [f"lacks {listing(lacking, 12)}"] if lacking else []
            left_out[group] = f"its average {' and '.join(clauses)}"
    return groups, left_out


def within_groups(data: DataFrame) -> WithinGroups | None:
    """Slope with group as fixed effect; None where MIR varies in no group or no degree of freedom is left.

    Args:
        data: columns mir, score, group and name.
    """
    if len(data) - data["group"].nunique() - 1 < 1 or not (data.groupby("group")["mir"].nunique() > 1).any():
        return None
    line = smf.ols("score ~ mir + C(group)", data).fit()
    plain = smf.ols("score ~ C(group)", data).fit()
    low, high = line.conf_int(1 - association.CONFIDENCE).loc["mir"]
    return WithinGroups(
        slope=float(line.params["mir"]),
        interval=(float(low), float(high)) if np.isfinite([low, high]).all() else None,
        r_squared_within=float(1 - line.ssr / plain.ssr) if plain.ssr > 0 else 0.0,
        influence=influence_of(line, "mir", list(data["name"])),
    )


def _left_out_errors(data: DataFrame) -> LeaveOneOut | None:
    """Errors of a line with an intercept for each group, against those of the groups' means."""
    groups = data["group"].astype("category").cat.codes.to_numpy()
    plain = np.eye(groups.max() + 1)[groups]
    design = np.column_stack([data["mir"].to_numpy(), plain])
    return association.compare_left_out(data["score"].to_numpy(), design, plain)


def _regret(scored: dict[str, list[Checkpoint]]) -> Regret:
    """Mean over groups of what choosing the lowest MIR within the group costs."""
    each = [
        choice.regret(
            np.array([c.mir for c in members]),
            np.array([c.average for c in members], dtype=np.float64),
            "lower",
            [c.label for c in members],
        )
        for members in scored.values()
    ]
    return Regret(
        lost=float(np.mean([one.lost for one in each])),
        chosen=[name for one in each for name in one.chosen],
        best=[name for one in each for name in one.best],
        by_chance=float(np.mean([one.by_chance for one in each])),
    )


def _disagreement(slope: Slope, within: WithinGroups | None, slopes: Interaction | None) -> str | None:
    """Whether it matters which slope is meant, beyond what chance gives.

    That the signs or sizes of the two estimates differ is no sign of it: at a slope of zero they do in most samples.
    """
    if within and within.interval and slope.interval:
        below, above = sorted([within.interval, slope.interval])
        if below[1] < 0 < above[0]:
            return "sign"
    return "size" if slopes and slopes.p < SIGNIFICANCE else None
