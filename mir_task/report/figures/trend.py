"""MIR against how far a checkpoint was trained, or against the number of pairs it was measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mir_task.report.figures import chart
from mir_task.report.figures.chart import Axis, Chart, Series
from mir_task.report.figures.style import marker


class Point(NamedTuple):
    """One checkpoint, or one measurement of it."""

    x: float
    mir: float
    standard_error: float | None
    model: str = ""
    """Name of the checkpoint."""


class Line(NamedTuple):
    """What is joined, if anything: checkpoints of one run, or measurements of one model."""

    label: str
    number: int
    """Which colour and marker it has."""
    points: Sequence[Point]
    joined: bool = True


def trend(lines: Mapping[str, Sequence[Point]] | Sequence[Line], axis: str, name: str, caption: str) -> Chart:
    """A line for each series, by its label; logarithmic where x spans more than a factor of twenty.

    Args:
        lines: series by label, each in a colour of its own; or lines that say theirs.
        axis: what x is.
        name: of the figure's files.
        caption: what it shows.
    """
    if isinstance(lines, Mapping):
        lines = [Line(label, index, points) for index, (label, points) in enumerate(lines.items())]
    every = [point.x for line in lines for point in line.points]
    labels: set[str] = set()
    series = []
    for line in lines:
        # Runs of one group look alike, and the legend names the group once.
        label = line.label if line.label not in labels else ""
        labels.add(line.label)
        points = [_point(point) for point in sorted(line.points)]
        style: chart.Line = "solid" if line.joined else ""
        series.append(Series(label, points, line.number, marker(line.number), style))
    return Chart(
        name,
        f"MIR by {axis}",
        caption,
        Axis(axis, log=min(every) > 0 and max(every) > 20 * min(every)),
        Axis("MIR (lower is better)"),
        series,
        legend=1 < len(labels) <= 12,
        png=True,
    )


def _point(point: Point) -> chart.Point:
    error = point.standard_error
    up = (point.mir - error, point.mir + error) if error else None
    return chart.Point(point.x, point.mir, point.model, up=up)
