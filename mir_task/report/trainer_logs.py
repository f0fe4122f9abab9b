"""Reads the log of transformers' Trainer: MIR at each step that ``MIRCallback`` measured, from ``trainer_state.json``.

Keys as :mod:`mir_task.training.callback` and transformers 4.57 and 5 write them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mir_task.metrics import MIR_METRICS
from mir_task.report.files import UnreadableError
from mir_task.report.records import Skipped

FILE_NAME = "trainer_state.json"
CHECKPOINT = re.compile(r"checkpoint-(\d+)")
"""Name of the folder that the Trainer saves a checkpoint in, with the step."""
LOGGED = {f"eval_{metric.name}": metric.name for metric in MIR_METRICS if metric.logged}
"""Names in the log, with the metric that each is."""
LOSSES = {"loss": "loss", "eval_loss": "eval_loss"}
"""Names in the log, with the column that each becomes."""


@dataclass(frozen=True)
class TrainerState:
    """The log as one ``trainer_state.json`` has it."""

    path: Path
    folder: Path
    """Output folder of the training, in which its checkpoints lie."""
    last_step: int
    mir: dict[int, dict[str, float]]
    """Numbers of each measurement, by step and name in the table of metrics; ``mir`` may be NaN."""
    losses: dict[str, dict[int, float]]
    """Loss of training and of evaluation, by column, then by step."""

    @property
    def said(self) -> Iterator[tuple[str, int, float]]:
        """Every number that tells one course of training from another: its name, the step, the number."""
        for step, numbers in self.mir.items():
            yield "eval_mir", step, numbers["mir"]
        for column, by_step in self.losses.items():
            for step, loss in by_step.items():
                yield column, step, loss


@dataclass(frozen=True)
class TrainingLog:
    """The log of one training, from all of its checkpoints."""

    name: str
    """The output folder, as the reader should see it."""
    folder: Path
    mir: dict[int, dict[str, float]]
    """As in :class:`TrainerState`."""
    source: dict[int, Path]
    """The file that each measurement was read from."""
    losses: dict[str, dict[int, float]]
    left_out: list[TrainerState] = field(default_factory=list)
    """Logs of an earlier course of the training, which went on from an earlier checkpoint."""
    skipped: list[Skipped] = field(default_factory=list)

    def extras(self, step: int) -> dict[str, float]:
        """Training step, and each loss that was logged last since the measurement before."""
        before = max((other for other in self.mir if other < step), default=-1)
        found: dict[str, float] = {"step": step}
        for column, by_step in self.losses.items():
            last = max((other for other in by_step if before < other <= step), default=None)
            if last is not None and math.isfinite(by_step[last]):
                found[column] = by_step[last]
        return found


def is_trainer_state(value: Any) -> bool:
    """Whether a JSON value is a ``trainer_state.json``."""
    return isinstance(value, dict) and "log_history" in value and "global_step" in value


def read_trainer_state(value: Mapping[str, Any], path: Path) -> TrainerState:
    """The measurements of MIR and the losses in a log.

    Of several at one step the first counts: an evaluation after training may be of the best model's weights.

    Raises:
        UnreadableError: it is not a list of entries with a step each.
    """
    history = value["log_history"]
    if not isinstance(history, list) or not all(isinstance(entry, dict) for entry in history):
        raise UnreadableError("log_history is no list of objects, as transformers' Trainer writes it")
    mir: dict[int, dict[str, float]] = {}
    losses: dict[str, dict[int, float]] = {}
    for number, entry in enumerate(history, start=1):
        step = entry.get("step")
        if type(step) is not int or step < 0:
            raise UnreadableError(f"log_history, entry {number}: step is {step!r}")
        if "eval_mir" in entry:
            numbers = {name: _number(entry[key], key, number) for key, name in LOGGED.items() if key in entry}
            mir.setdefault(step, numbers)
        for key, column in LOSSES.items():
            if key in entry:
                losses.setdefault(column, {}).setdefault(step, _number(entry[key], key, number))
    last = value["global_step"]
    steps = [
        last if type(last) is int else 0,
        *mir,
        *(step for by_step in losses.values() for step in by_step),
    ]
    return TrainerState(path, training_folder(path), max(steps), mir, losses)


def training_folder(path: Path) -> Path:
    """The output folder of the training that a ``trainer_state.json`` is of."""
    folder = path.parent if path.parent.name not in ("", "..") else path.resolve().parent
    return folder.parent if CHECKPOINT.fullmatch(folder.name) else folder


def training_logs(states: Iterable[TrainerState]) -> list[TrainingLog]:
    """One log for each output folder, from all of its files."""
    by_folder: dict[Path, list[TrainerState]] = {}
    for state in states:
        by_folder.setdefault(state.folder.resolve(), []).append(state)
    return [_joined(same) for same in by_folder.values() if any(state.mir for state in same)]


def _joined(states: Sequence[TrainerState]) -> TrainingLog:
    """All that the files of one training say; where they contradict each other, what the newest says."""
    # Checkpoints hold the history up to them, so the newest has nearly all. Measurements at a save are made after it.
    ordered = sorted(states, key=lambda state: (_modified(state.path), state.last_step), reverse=True)
    known: dict[tuple[str, int], tuple[float, Path]] = {}
    kept: list[TrainerState] = []
    left_out: list[TrainerState] = []
    skipped: list[Skipped] = []
    for state in ordered:
        reason = _contradiction(state, known)
        if reason is None:
            kept.append(state)
            known.update({(name, step): (value, state.path) for name, step, value in state.said})
            continue
        left_out.append(state)
        skipped.append(
            Skipped(
                str(state.path),
                f"{reason}, which is newer: the log is of an earlier course of this training",
                remedy="remove the checkpoints that are no longer wanted",
            )
        )
    mir: dict[int, dict[str, float]] = {}
    source: dict[int, Path] = {}
    losses: dict[str, dict[int, float]] = {}
    for state in sorted(kept, key=lambda state: state.last_step, reverse=True):
        for step, numbers in state.mir.items():
            mir.setdefault(step, numbers)
            source.setdefault(step, state.path)
        for column, by_step in state.losses.items():
            losses[column] = {**by_step, **losses.get(column, {})}
    folder = kept[0].folder
    return TrainingLog(shown(folder), folder, dict(sorted(mir.items())), source, losses, left_out, skipped)


def _contradiction(state: TrainerState, known: Mapping[tuple[str, int], tuple[float, Path]]) -> str | None:
    """What a log says differently from those known; None of one course of training."""
    for name, step, value in state.said:
        other, path = known.get((name, step), (value, state.path))
        if value != other and not (math.isnan(value) and math.isnan(other)):
            return f"at step {step} it has {name} {value:.6g}, and {path} has {other:.6g}"
    return None


def shown(folder: Path) -> str:
    """The folder's name in the report: the path that the user gave."""
    return folder.as_posix() if folder.name not in ("", "..") else folder.resolve().name


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # the Trainer removed the checkpoint meanwhile
        return 0.0


def _number(value: Any, key: str, entry: int) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnreadableError(f"log_history, entry {entry}: {key} is {value!r}, which is no number")
    return float(value)
