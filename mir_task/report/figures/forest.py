"""Pearson's r of every group and of the pool, with intervals, under each other."""

from __future__ import annotations

from collections.abc import Sequence

from mir_task.report.figures.chart import Axis, Chart, Point, Series
from mir_task.report.schema import Fit, Pooled
from mir_task.report.text import short


def forest(
    fits: Sequence[Fit], pool: Pooled | None, colours: dict[str, int], name: str = "correlations"
) -> Chart | None:
    """A row for each group and the pool; None if no group has a correlation."""
    rows: list[Fit] = [fit for fit in fits if fit.pearson]
    if not rows:
        return None
    rows += [pool] if pool and pool.pearson else []
    series = []
    for place, fit in enumerate(rows):
        assert fit.pearson and fit.spearman
        paint = None if isinstance(fit, Pooled) else colours[fit.group]
        filled = Point(fit.pearson.r, place, across=fit.pearson.interval)
        series.append(Series("Pearson's r", [filled], paint, marker=0))
        series.append(
            Series("Spearman's rho", [Point(fit.spearman.rho, place)], paint, marker=3, hollow=True)
        )
    names = short([fit.group for fit in fits])
    labels = [f"{'pooled' if isinstance(fit, Pooled) else names[fit.group]}, n = {fit.n}" for fit in rows]
    return Chart(
        name,
        "How closely MIR follows the average",
        "Filled: Pearson's r with its 95% interval (none below four models). Open: Spearman's rho. "
        "Left of zero, lower MIR goes with higher scores.",
        Axis("correlation", limits=(-1.05, 1.05)),
        Axis("", rows=labels),
        series,
        guides=[("x", 0.0)],
        png=True,
    )
