"""MIR over the steps of each training, with the band of its standard error and the turn."""

from __future__ import annotations

from collections.abc import Sequence

from mir_task.report.figures.chart import Axis, Band, Chart, Point, Series
from mir_task.report.figures.style import marker
from mir_task.report.trainings import Training

NAME = "mir-over-steps"
MOST_NAMED = 8
"""Trainings that a legend can name."""
LONGEST_LABEL = 24
"""Characters."""


def steps(trainings: Sequence[Training]) -> Chart:
    """A line for each training; its caption says where each one's MIR goes."""
    turns = [turn for training in trainings if (turn := training.direction.turn)]
    return Chart(
        NAME,
        "MIR by training step, in training",
        caption(trainings),
        Axis("training step", whole=True),
        Axis("MIR (lower is better)"),
        [
            Series(
                _end(training.trajectory.label),
                [Point(p.step, p.mir, p.checkpoint) for p in training.trajectory.points],
                index,
                marker(index),
                "solid",
            )
            for index, training in enumerate(trainings)
        ],
        bands=[band for index, training in enumerate(trainings) for band in _bands(training, index)],
        guides=[("x", turn.step) for turn in turns],
        names={
            point.checkpoint: f"turn, step {point.step:g}"
            for training in trainings
            for point in training.trajectory.points
            if training.direction.turn and point.step == training.direction.turn.step
        },
        legend=1 < len(trainings) <= MOST_NAMED,
        png=True,
    )


def caption(trainings: Sequence[Training]) -> str:
    """What the figure shows, and where MIR of each training goes."""
    turned = any(training.direction.turn for training in trainings)
    mark = " Upright lines: turns; grey: steps that the turn may lie at." if turned else ""
    said = " ".join(training.short for training in trainings[:MOST_NAMED])
    return f"MIR over training steps. Bands: one standard error.{mark} {said}"


def _bands(training: Training, index: int) -> list[Band]:
    """The standard error of one training's MIR where every step has one, and the steps that its turn may lie at."""
    points = training.trajectory.points
    mir = [point.mir for point in points]
    errors = [point.standard_error for point in points if point.standard_error is not None]
    bands = []
    if len(errors) == len(points):
        low, high = ([m + sign * e for m, e in zip(mir, errors, strict=True)] for sign in (-1, 1))
        bands.append(Band([point.step for point in points], low, high, index, 0.22))
    turn = training.direction.turn
    if turn and turn.earliest < turn.latest:
        bands.append(Band([turn.earliest, turn.latest], [min(mir)] * 2, [max(mir)] * 2, None))
    return bands


def _end(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"…{label[1 - LONGEST_LABEL :]}"
