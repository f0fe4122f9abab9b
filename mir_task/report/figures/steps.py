"""MIR over the steps of each training, with the band of its standard error and the turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from mir_task.report.figures.style import INK, MUTED, Drawing, colour, drawn, panel
from mir_task.report.trainings import Training

NAME = "mir-over-steps"
MOST_NAMED = 8
"""Trainings that a legend can name."""
LONGEST_LABEL = 24
"""Characters."""


def steps(trainings: Sequence[Training]) -> Drawing:
    """A line for each training; its caption says where each one's MIR goes."""
    with panel() as (figure, axes):
        for index, training in enumerate(trainings):
            points = training.trajectory.points
            x = np.array([point.step for point in points])
            mir = np.array([point.mir for point in points])
            error = np.array([np.nan if p.standard_error is None else p.standard_error for p in points])
            paint = colour(index)
            axes.fill_between(x, mir - error, mir + error, color=paint, alpha=0.22, lw=0)
            axes.plot(
                x, mir, color=paint, lw=1.3, marker="o", markersize=3, label=_end(training.trajectory.label)
            )
            if turn := training.direction.turn:
                height = next(point.mir for point in points if point.step == turn.step)
                axes.plot([turn.step], [height], marker="v", markersize=8, color=paint, markeredgecolor=INK)
                axes.axvspan(turn.earliest, turn.latest, color=MUTED, alpha=0.12, lw=0)
                axes.annotate(
                    f"turn, step {turn.step:g}",
                    (turn.step, height),
                    textcoords="offset points",
                    xytext=(0, 8),
                    ha="center",
                    color=INK,
                )
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.set_xlabel("training step")
        axes.set_ylabel("MIR (lower is better)")
        axes.margins(y=0.2)
        if 1 < len(trainings) <= MOST_NAMED:
            axes.legend(loc="best", handlelength=1.2)
        return drawn(figure, NAME, caption(trainings), png=True)


def caption(trainings: Sequence[Training]) -> str:
    """What the figure shows, and where MIR of each training goes."""
    turned = any(training.direction.turn for training in trainings)
    mark = " Triangles: turns; grey: steps that the turn may lie at." if turned else ""
    said = " ".join(training.sentence for training in trainings[:MOST_NAMED])
    return f"MIR over training steps. Bands: one standard error.{mark} {said}"


def _end(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"…{label[1 - LONGEST_LABEL :]}"
