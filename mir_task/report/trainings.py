"""What the steps of a training say, in sentences, and what they warn of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.schema import Course
from mir_task.report.text import number
from mir_task.report.trajectory import Trajectory, trajectories
from mir_task.report.turn import MIN_FOR_JITTER, Direction, direction

FEW = f" With fewer than {MIN_FOR_JITTER} points only the noise of the pairs is allowed for, not that of training."


@dataclass(frozen=True)
class Training:
    """One training: MIR over its steps, and where it goes."""

    trajectory: Trajectory
    direction: Direction

    @property
    def sentence(self) -> str:
        """Where MIR goes and what follows from it for a choice."""
        label, points = self.trajectory.label, self.trajectory.points
        first, last, lowest = points[0], points[-1], self.trajectory.lowest
        few = FEW if len(points) < MIN_FOR_JITTER else ""
        if self.direction.turn:
            turn = self.direction.turn
            where = f"step {turn.step:g}"
            if turn.earliest < turn.latest:
                where += f" (between {turn.earliest:g} and {turn.latest:g})"
            advice = "choose among the checkpoints after that"
            if lowest.step < turn.step:
                advice += f", not the lowest of all, step {lowest.step:g}, which is before it"
            return f"MIR of {label} turned at {where}: it rose before and has fallen since; {advice}.{few}"
        if self.direction.kind == "rising":
            which = (
                "the lowest MIR here is the least trained checkpoint"
                if lowest is first
                else f"the lowest MIR here, at step {lowest.step:g}, is from before the rise"
            )
            return f"MIR of {label} is still rising (step {last.step:g}): {which}; do not choose by it.{few}"
        if self.direction.kind == "falling":
            least = "" if lowest is last else f", lowest {number(lowest.mir)} at step {lowest.step:g}"
            return (
                f"MIR of {label} has fallen: {number(first.mir)} at step {first.step:g}, {number(last.mir)} at step "
                f"{last.step:g}{least}.{few}"
            )
        if any(point.standard_error is None for point in (first, last)):
            return (
                f"Whether MIR of {label} rises or falls cannot be said: it has no standard error (uncertainty=False). "
                "While it rises, the lowest MIR is the least trained checkpoint."
            )
        return f"Whether MIR of {label} rises or falls cannot be told yet (step {last.step:g}).{few}"

    @property
    def short(self) -> str:
        """Where MIR goes, in a few words."""
        turn = self.direction.turn
        turned = f"turned at step {turn.step:g} and has fallen since" if turn else ""
        said = {"turned": turned, "rising": "is still rising", "falling": "has fallen"}
        goes = said.get(self.direction.kind, "shows no direction yet")
        return f"MIR of {self.trajectory.label} {goes} (step {self.trajectory.points[-1].step:g})."

    @property
    def course(self) -> Course:
        """The same for programs."""
        turn, points = self.direction.turn, self.trajectory.points
        return Course(
            training=self.trajectory.training,
            direction=self.direction.kind,
            turn=turn.step if turn else None,
            turn_between=(turn.earliest, turn.latest) if turn else None,
            steps=[point.step for point in points],
            mir=[point.mir for point in points],
            standard_error=[point.standard_error for point in points],
            loss=[point.loss for point in points],
            sentence=self.sentence,
        )

    @property
    def warns(self) -> bool:
        """Whether the lowest MIR may be the wrong choice, as the reader has to know first."""
        return self.direction.kind in ("rising", "turned") or (
            self.direction.kind == "cannot tell" and self.trajectory.points[-1].standard_error is None
        )

    @property
    def not_to_choose(self) -> frozenset[str]:
        """Checkpoints that MIR must not be compared by: all while it rises, those up to the turn after it."""
        points = self.trajectory.points
        if self.direction.turn:
            until = self.direction.turn.step
            return frozenset(point.checkpoint for point in points if point.step <= until)
        rising = self.direction.kind == "rising"
        return frozenset(point.checkpoint for point in points if rising)


def trainings(checkpoints: Iterable[Checkpoint]) -> list[Training]:
    """Every training of which several steps were measured, and where its MIR goes."""
    return [Training(found, direction(found)) for found in trajectories(checkpoints)]
