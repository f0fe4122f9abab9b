"""MIR against a score: points with names, line and interval within a group; several groups together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from mir_task.report.association import confidence_band
from mir_task.report.averages import AVERAGE
from mir_task.report.checkpoint import Checkpoint
from mir_task.report.figures.chart import Axis, Band, Chart, Point, Series
from mir_task.report.figures.style import marker
from mir_task.report.regress import predictor_of, score_of
from mir_task.report.schema import Fit, Pooled
from mir_task.report.text import interval, join, number, short

MOST_NAMES, LONGEST_NAME = 6, 18
"""Beyond these, names would lie far from their points or over each other."""
MOST_KEYS = 40
"""More points than this are neither named nor numbered."""
MOST_GROUPS = 12
"""Groups that a reader can tell apart in one panel; more are drawn alike."""
BAND_PLACES = 24


def scatter(
    members: Sequence[Checkpoint], fit: Fit, name: str, index: int = 0, recommended: Collection[str] = ()
) -> Chart:
    """One group: each model a point with its name, the line where there is a slope, its 95% band from four models."""
    shown = complete(members, fit)
    points = [_point(c, fit, c.name in recommended) for c in shown]
    series = [Series(fit.group, points, index, marker(index))]
    bands: list[Band] = []
    limits: tuple[float | None, float | None] = (None, None)
    if fit.slope is not None:
        line, bands, limits = _line(points, index)
        series.insert(0, line)
    turned = any(fit.score in c.lower_is_better for c in shown)
    return Chart(
        name,
        _title(fit),
        caption(fit) + (" Shaded: 95% interval of the line." if bands else ""),
        Axis(mir_axis(fit)),
        Axis(f"{fit.score}, negated" if turned else score_axis(fit), limits=limits),
        series,
        bands,
        names=_names(members, shown),
        key=key(members),
    )


def pooled_scatter(groups: Mapping[str, Sequence[Checkpoint]], pool: Pooled, name: str) -> Chart:
    """Every group of the pool in its colour with its own line; the line of all of them dashed.

    Of many groups the lines alone have no names: all points are grey, and a group shows where one points at it.
    """
    names = short(list(groups))
    few = len(pool.groups) <= MOST_GROUPS
    series: list[Series] = []
    for group in pool.groups:
        index = list(groups).index(group)
        points = [_point(c, pool) for c in complete(groups[group], pool)]
        if few and len({point.x for point in points}) > 1:
            series.append(Series("", _straight(points, *_fit(points)), index, line="solid"))
        paint, shape = (index, marker(index)) if few else (None, 0)
        series.append(Series(names[group], points, paint, shape))
    if pool.slope is not None:
        every = [point for each in series for point in each.points]
        ends = _straight(every, pool.slope.estimate, pool.slope.intercept)
        series.append(Series("all together", ends, None, line="dashed"))
    shown = (
        "Each colour is a group with its own line, the dashed line takes all together."
        if few
        else (f"The models of {len(pool.groups)} groups; the dashed line takes all together.")
    )
    heading = (
        join([names[group] for group in pool.groups])
        if len(pool.groups) <= 4
        else f"{len(pool.groups)} groups"
    )
    return Chart(
        name,
        f"{heading} together",
        f"MIR against the average over {len(pool.over)} benchmarks. {shown} {caption(pool)}",
        Axis(mir_axis(pool)),
        Axis(score_axis(pool)),
        series,
        legend=few,
        png=True,
    )


def caption(fit: Fit) -> str:
    """What a scatter shows, and how sure it is."""
    models = f"{fit.n} models"
    clauses = [] if any(note.startswith(models) for note in fit.notes) else [models]
    if fit.pearson and fit.spearman:
        claimed = f", 95% interval {interval(fit.pearson.interval)}" if fit.pearson.interval else ""
        clauses.append(f"Pearson r = {number(fit.pearson.r)}{claimed}")
        clauses.append(f"Spearman rho = {number(fit.spearman.rho)}")
    if fit.excluded:
        clauses.append(f"{len(fit.excluded)} without the score left out")
    return "; ".join([*clauses, *fit.notes]) + "."


def names_fit(members: Sequence[Checkpoint]) -> bool:
    """Whether a panel has room for the names of a group's models; otherwise they are numbered."""
    return len(members) <= MOST_NAMES and all(len(c.label) <= LONGEST_NAME for c in members)


def key(members: Sequence[Checkpoint]) -> str:
    """What the numbers of a group's points mean: their order by MIR, the same in every panel."""
    if names_fit(members):
        return ""
    if len(members) > MOST_KEYS:
        return "The names are in the leaderboard."
    return ", ".join(f"({n}) {c.label}" for n, c in enumerate(members, start=1)) + "."


def complete(members: Sequence[Checkpoint], fit: Fit) -> list[Checkpoint]:
    """Those that have the score."""
    return [c for c in members if c.label not in fit.excluded and score_of(c, fit.score) is not None]


def mir_axis(fit: Fit) -> str:
    """Label of the predictor's axis."""
    return "MIR (lower is better)" if fit.predictor == "mir" else f"{fit.predictor} ({fit.better} is better)"


def score_axis(fit: Fit) -> str:
    """Label of the score's axis."""
    if fit.score != AVERAGE:
        return fit.score
    if len(fit.over) > 1:
        return f"average of {len(fit.over)} benchmarks"
    return fit.over[0] if fit.over else "average"


def _point(checkpoint: Checkpoint, fit: Fit, ringed: bool = False) -> Point:
    x, y = predictor_of(checkpoint, fit.predictor), score_of(checkpoint, fit.score)
    assert x is not None and y is not None
    error = checkpoint.uncertainty if fit.predictor == "mir" else None
    return Point(x, y, checkpoint.name, (x - error, x + error) if error else None, ringed=ringed)


def _fit(points: Sequence[Point]) -> tuple[float, float]:
    slope, intercept = np.polyfit([point.x for point in points], [point.y for point in points], 1)
    return float(slope), float(intercept)


def _straight(points: Sequence[Point], slope: float, intercept: float) -> list[Point]:
    across = [point.x for point in points]
    return [Point(x, intercept + slope * x) for x in (min(across), max(across))]


def _line(
    points: Sequence[Point], index: int
) -> tuple[Series, list[Band], tuple[float | None, float | None]]:
    """Least squares with its band, and how high the panel has to be."""
    x, y = (np.array([point[axis] for point in points], dtype=np.float64) for axis in (0, 1))
    at = np.linspace(x.min() - 0.06 * np.ptp(x), x.max() + 0.06 * np.ptp(x), BAND_PLACES)
    mean, low, high = confidence_band(x, y, at)
    line = Series("", [Point(float(a), float(m)) for a, m in zip(at, mean, strict=True)], index, line="solid")
    if low is None or high is None:
        return line, [], (None, None)
    # With four models the band may be ten times as high as the points, which must stay visible.
    reach: Any = np.ptp(y)
    bottom, top = max(low.min(), y.min() - 1.2 * reach), min(high.max(), y.max() + 1.2 * reach)
    limits = float(min(bottom, y.min() - 0.15 * reach)), float(max(top, y.max() + 0.15 * reach))
    return line, [Band(at.tolist(), low.tolist(), high.tolist(), index)], limits


def _names(members: Sequence[Checkpoint], shown: Sequence[Checkpoint]) -> dict[str, str]:
    if len(members) > MOST_KEYS:
        return {}
    named = names_fit(members)
    return {c.name: c.label if named else str(n) for n, c in enumerate(members, start=1) if c in shown}


def _title(fit: Fit) -> str:
    if fit.predictor != "mir":
        return f"{fit.predictor}, {fit.group}"
    return fit.group if fit.score == AVERAGE else fit.score
