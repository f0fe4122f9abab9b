"""MIR of one training over its steps."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.names import labels
from mir_task.report.paired import choice_of_pairs
from mir_task.report.records import Run
from mir_task.report.trainer_logs import CHECKPOINT


@dataclass(frozen=True)
class Point:
    """MIR at one step."""

    step: float
    mir: float
    standard_error: float | None = None
    loss: float | None = None
    checkpoint: str = ""
    """Name of the model, as in the leaderboard."""
    left_out: tuple[float, ...] | None = None
    """MIR without each group of pairs in turn; None where it is not known."""
    choice: Hashable = None
    """Equal where the groups of two points are of the same pairs."""


@dataclass(frozen=True)
class Trajectory:
    """MIR over the steps of one training."""

    training: str
    label: str
    """Shortest name that no other training has."""
    points: tuple[Point, ...]
    """In the order of their steps, each step once."""

    @property
    def lowest(self) -> Point:
        """The point of the lowest MIR."""
        return min(self.points, key=lambda point: point.mir)

    @property
    def highest(self) -> Point:
        """The point of the highest MIR."""
        return max(self.points, key=lambda point: point.mir)


def trajectories(checkpoints: Iterable[Checkpoint]) -> list[Trajectory]:
    """A trajectory for each training of which two steps or more were measured.

    Measurements made in training are one series; those of saved checkpoints (``…/checkpoint-500``) by lmms-eval, on
    pairs of its own, are another.
    """
    series: dict[tuple[str, str], dict[float, Point]] = {}
    for c in checkpoints:
        in_training = [run for run in (*c.runs, *c.other_runs) if run.training is not None]
        for run in in_training:
            points = series.setdefault((run.training or "", ""), {})
            points.setdefault(run.extras["step"], _point(run, c))
        head, _, tail = c.name.replace("\\", "/").rpartition("/")
        named = CHECKPOINT.fullmatch(tail)
        if named and head and not any(run.training for run in c.runs):
            points = series.setdefault((head, c.runs[0].task or ""), {})
            points.setdefault(float(named[1]), _point_of_checkpoint(float(named[1]), c))
    kept = {key: points for key, points in series.items() if len(points) > 1}
    short = labels(training for training, _ in kept)
    several = {training for training, _ in kept if sum(other == training for other, _ in kept) > 1}
    return [
        Trajectory(
            training,
            f"{short[training]} ({task})" if training in several and task else short[training],
            tuple(points[step] for step in sorted(points)),
        )
        for (training, task), points in kept.items()
    ]


def _point(run: Run, c: Checkpoint) -> Point:
    loss = run.extras.get("eval_loss", run.extras.get("loss"))
    left_out, choice = _jackknife(run)
    return Point(run.extras["step"], run.mir, run.standard_error, loss, c.name, left_out, choice)


def _point_of_checkpoint(step: float, c: Checkpoint) -> Point:
    left_out, choice = _jackknife(c.runs[0]) if len(c.runs) == 1 else (None, None)
    return Point(step, c.mir, c.uncertainty, c.extras.get("loss"), c.name, left_out, choice)


def _jackknife(run: Run) -> tuple[tuple[float, ...] | None, Hashable]:
    """MIR without each group of pairs, and which pairs the groups are of."""
    choice = choice_of_pairs(run)
    left_out = run.result and run.result.mir_left_out
    return (tuple(left_out), choice) if choice is not None and left_out else (None, None)
