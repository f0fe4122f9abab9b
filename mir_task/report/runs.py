"""Runs of MIR from every kind of file, each counted once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from mir_task.metrics import MIR_METRICS, values
from mir_task.report.columns import PROGRESS
from mir_task.report.in_training import measured_in_training
from mir_task.report.lmms_results import LmmsResults
from mir_task.report.names import labels, resolve
from mir_task.report.records import MIRReportError, Row, Run, Skipped
from mir_task.report.trainer_logs import TrainerState
from mir_task.result import MIRResult

LARGEST_MIR = 300.0
"""The log10 of the largest float64."""
ROUNDING = 0.00051
"""A table writes MIR to three decimals or more."""


class LmmsFile(NamedTuple):
    """One of lmms-eval's result files."""

    path: Path
    results: LmmsResults
    after_sft: bool
    """It was given as scores of fine-tuned models."""


@dataclass
class Measured:
    """Runs of MIR, and what was found beside them."""

    runs: list[Run] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    """Other columns of tables that repeat a measured MIR."""
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, run: Run) -> None:
        """Add a run, unless its numbers are impossible."""
        reason = _impossible(run)
        if reason is None:
            self.runs.append(run)
        else:
            self.skipped.append(Skipped(run.source, reason, run.place, "measure it anew, or remove it"))


def joined_runs(
    states: Sequence[TrainerState],
    results: Sequence[tuple[Path, MIRResult]],
    lmms_files: Sequence[LmmsFile],
    in_tables: Iterable[Run],
) -> Measured:
    """The runs inside trainings, of per-layer files, of lmms-eval's files alone, and of tables alone, in this order.

    A per-layer file and a row of lmms-eval's results are of one run where folder, task and MIR are the same.
    """
    found = Measured()
    rows = [(file, task, numbers) for file in lmms_files for task, numbers in file.results.mir.items()]
    model_of = {(file.path.parent, task, numbers["mir"]): file.results.model for file, task, numbers in rows}
    in_training = measured_in_training(states, results)
    found.skipped += in_training.skipped
    for run in in_training.runs:
        found.add(run)
    with_layers = set()
    for path, result in in_training.others:
        task = result.protocol.task if result.protocol else ""
        place = (path.parent, task, result.mir)
        with_layers.add(place)
        # lmms-eval's name of the model first: it is that of the scores.
        own_name = result.model.name if result.model else path.stem
        known = {name: number for name, number in values(MIR_METRICS, result).items() if number is not None}
        found.add(Run(model_of.get(place, own_name), known, str(path), task=task or None, result=result))
    for file, task, numbers in rows:
        if (file.path.parent, task, numbers["mir"]) not in with_layers:
            settings = file.results.settings.get(task, {})
            found.add(Run(file.results.model, numbers, str(file.path), task=task, settings=settings))
    _add_runs_of_tables(found, in_tables)
    baselines: dict[str, dict[str, float]] = {}
    for file in lmms_files:
        baselines.setdefault(file.results.model, {}).update(file.results.baselines)
    found.runs = [replace(r, extras={**baselines.get(r.model, {}), **r.extras}) for r in found.runs]
    return found


def grouped_by_training(runs: list[Run], rows: Iterable[Row]) -> list[Run]:
    """The runs with each training as a group, where scores name no groups of their own."""
    if any(row.group for row in rows):
        return runs
    names = labels(run.training for run in runs if run.training)
    return [replace(run, group=names[run.training]) if run.training else run for run in runs]


def _add_runs_of_tables(found: Measured, in_tables: Iterable[Run]) -> None:
    """Add runs of tables; one that repeats a file's MIR, rounded, is that run and only its other columns count."""
    measured: dict[str, list[float]] = {}
    for run in found.runs:
        measured.setdefault(run.model, []).append(run.mir)
    lines: dict[tuple[str, str, str | None, str | None], list[Run]] = {}
    for run in in_tables:
        lines.setdefault((run.source, run.model, run.group, run.task), []).append(run)
    for same in lines.values():
        _refuse_steps(same)
        # A checkpoint with several seeds of SFT has a line for each, and was measured once.
        once = all((r.numbers, r.extras) == (same[0].numbers, same[0].extras) for r in same)
        for run in same[:1] if once else same:
            name = resolve(run.model, measured)
            if name is None or all(abs(run.mir - mir) > ROUNDING for mir in measured[name]):
                found.add(run)
            elif run.extras or run.group:
                row = Row(run.model, run.source, run.group, extras=dict(run.extras), place=run.place)
                found.rows.append(row)


def _refuse_steps(runs: Sequence[Run]) -> None:
    """Refuse lines of one name that were trained differently far: they are several checkpoints.

    Raises:
        MIRReportError: naming the lines.
    """
    for run in runs[1:]:
        for name, what in PROGRESS.items():
            a, b = runs[0].extras.get(name), run.extras.get(name)
            if a != b and a is not None and b is not None:
                raise MIRReportError(
                    f"the model {run.model!r} stands at two values of {what}: {a:g} ({runs[0].where}) and {b:g} "
                    f"({run.where}); give every checkpoint a name of its own"
                )


def _impossible(run: Run) -> str | None:
    """Why a run cannot be; None where it can."""
    error = run.standard_error
    if not math.isfinite(run.mir):
        return f"MIR is {run.mir}: the modalities are identical or nothing was measured"
    if abs(run.mir) > LARGEST_MIR:
        return f"MIR is {run.mir}, which is the log10 of no distance"
    if error is not None and not 0 <= error < LARGEST_MIR:
        return f"the standard error of MIR is {error}"
    pairs = run.numbers.get("mir_pairs")
    if pairs is not None and (pairs < 1 or pairs % 1):
        return f"MIR of {pairs:g} pairs"
    return None
