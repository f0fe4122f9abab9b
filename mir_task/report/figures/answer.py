"""The picture below the report's first sentence: what the recommendation rests on."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.figures.chart import Axis, Chart, Point, Series
from mir_task.report.figures.scatter import MOST_GROUPS, MOST_NAMES, complete
from mir_task.report.figures.style import marker
from mir_task.report.paired import interval_over_pairs
from mir_task.report.schema import Fit
from mir_task.report.text import short

MOST_ROWS = 24
"""Models of a dot plot."""


def by_mir(
    groups: Mapping[str, Sequence[Checkpoint]], choices: Mapping[str, Sequence[str]], name: str = "answer"
) -> Chart:
    """MIR of every model, lowest first, those of a single run with its 95% interval over other choices of pairs."""
    index = {group: number for number, group in enumerate(groups)}
    names = short(list(groups))
    every = sorted((c for members in groups.values() for c in members), key=lambda c: c.mir)
    shown = every[:MOST_ROWS]
    series = [
        Series("", [_with_interval(c, place, choices)], index[c.group], marker(index[c.group]))
        for place, c in enumerate(shown)
    ]
    # The group stands first, since long names lose their start. A checkpoint of a training may have it there already.
    labels = [
        c.label if len(groups) == 1 or c.label.startswith(names[c.group]) else f"{names[c.group]}: {c.label}"
        for c in shown
    ]
    caption = f"MIR of each model, lowest first; {_bars(shown)}."
    if len(every) > MOST_ROWS:
        caption += f" The {MOST_ROWS} lowest of {len(every)} models."
    return Chart(
        name,
        "MIR before SFT",
        _with_rings(caption, series),
        Axis("MIR (lower is better)"),
        Axis("", rows=labels),
        series,
        wide=True,
        png=True,
    )


def within_groups(
    groups: Mapping[str, Sequence[Checkpoint]],
    fits: Sequence[Fit],
    choices: Mapping[str, Sequence[str]],
    name: str = "answer",
) -> Chart | None:
    """Score against MIR, each from its group's mean, all groups in one panel; None if no group has two models."""
    index = {group: number for number, group in enumerate(groups)}
    names = short(list(groups))
    related = [fit for fit in fits if fit.n >= 2]
    few = len(related) <= MOST_GROUPS
    series = []
    for fit in related:
        members = complete(groups[fit.group], fit)
        number = index[fit.group]
        points = _centred(members, choices.get(fit.group, ()))
        series.append(Series(names[fit.group], points, number if few else None, marker(number) if few else 0))
    if not series:
        return None
    ringed = {point.model for each in series for point in each.points if point.ringed}
    caption = (
        "Each model's MIR and score, less the mean of its group: where MIR tells, points fall from upper left to "
        "lower right."
    )
    return Chart(
        name,
        "Score after SFT against MIR, within groups",
        _with_rings(caption, series),
        Axis("MIR less the group's mean (lower is better)"),
        Axis("score less the group's mean"),
        series,
        guides=[("x", 0.0), ("y", 0.0)],
        legend=few,
        names={c.name: c.label for members in groups.values() for c in members if c.name in ringed}
        if len(ringed) <= MOST_NAMES
        else {},
        wide=True,
        png=True,
    )


def _with_interval(checkpoint: Checkpoint, place: int, choices: Mapping[str, Sequence[str]]) -> Point:
    ringed = checkpoint.name in choices.get(checkpoint.group, ())
    return Point(
        checkpoint.mir, place, checkpoint.name, across=interval_over_pairs(checkpoint), ringed=ringed
    )


def _bars(shown: Sequence[Checkpoint]) -> str:
    """What the bars are, and why a model has none."""
    if not any(c.uncertainty for c in shown):
        return "no errors are known"
    seeds = any(len(c.runs) > 1 for c in shown)
    if not any(interval_over_pairs(c) for c in shown):
        return "no bars, since runs of one model are too few for an interval"
    return "bars are 95% intervals over other pairs" + (", none of several runs" if seeds else "")


def _centred(members: Sequence[Checkpoint], recommended: Sequence[str]) -> list[Point]:
    mir = statistics.fmean(c.mir for c in members)
    score = statistics.fmean(c.average for c in members if c.average is not None)
    return [
        Point(c.mir - mir, c.average - score, c.name, ringed=c.name in recommended)
        for c in members
        if c.average is not None
    ]


def _with_rings(caption: str, series: Sequence[Series]) -> str:
    ringed = any(point.ringed for each in series for point in each.points)
    return f"{caption} Ringed: recommended." if ringed else caption
