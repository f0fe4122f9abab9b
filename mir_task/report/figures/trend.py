"""MIR against how far a checkpoint was trained, or against the number of pairs it was measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import NullFormatter, ScalarFormatter

from mir_task.report.figures.style import Drawing, colour, drawn, panel


class Point(NamedTuple):
    """One checkpoint, or one measurement of it."""

    x: float
    mir: float
    standard_error: float | None


def trend(lines: Mapping[str, Sequence[Point]], axis: str, name: str, caption: str) -> Drawing:
    """A line for each series, by its label; logarithmic where x spans more than a factor of twenty."""
    with panel() as (figure, axes):
        for index, (label, points) in enumerate(lines.items()):
            ordered = sorted(points)
            errors = np.array([point.standard_error or 0.0 for point in ordered])
            axes.errorbar(
                np.array([point.x for point in ordered], dtype=np.float64),
                np.array([point.mir for point in ordered], dtype=np.float64),
                yerr=errors if errors.any() else None,
                color=colour(index),
                lw=1.2,
                elinewidth=0.8,
                marker="o",
                markersize=4,
                label=label,
            )
        every = [point.x for points in lines.values() for point in points]
        if min(every) > 0 and max(every) > 20 * min(every):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(axis)
        axes.set_ylabel("MIR (lower is better)")
        axes.margins(y=0.15)
        if len(lines) > 1:
            axes.legend(loc="best", handlelength=1.2)
        return drawn(figure, name, caption, png=True)
