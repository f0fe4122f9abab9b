"""Measurements made while a model trained, from the Trainer's log and from files, each once, as runs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mir_task.metrics import MIR_METRICS, values
from mir_task.report.records import Run, Skipped
from mir_task.report.trainer_logs import TrainerState, TrainingLog, shown, training_logs
from mir_task.result import MIRResult

STEP_FILE = re.compile(r"mir_step_(\d+)\.json")
"""Name of a result that ``MIRCallback`` keeps, with the step."""

Found = tuple[Path, MIRResult]


@dataclass
class InTraining:
    """What was measured during trainings."""

    runs: list[Run] = field(default_factory=list)
    others: list[Found] = field(default_factory=list)
    """Results that are not of a step of a training."""
    skipped: list[Skipped] = field(default_factory=list)


def measured_in_training(states: Iterable[TrainerState], results: Sequence[Found]) -> InTraining:
    """Join logs and result files into one run for each step of each training.

    The model of a run is the folder that the Trainer saves the checkpoint in, ``output/checkpoint-500``, under which
    its scores are likely to be found. A measurement that is in the log and in a file is that of the file, which says
    more; where the two say differently, the log counts.
    """
    found = InTraining(others=[item for item in results if not STEP_FILE.fullmatch(item[0].name)])
    logs = training_logs(states)
    files: dict[Path, dict[int, Found]] = {}
    for path, result in results:
        if named := STEP_FILE.fullmatch(path.name):
            files.setdefault(path.parent, {})[int(named[1])] = (path, result)
    for log in logs:
        found.skipped += log.skipped
        own = [by_step for folder, by_step in files.items() if _owner(folder, by_step, logs) is log]
        _add(found, log, own)
    for folder, by_step in files.items():
        if _owner(folder, by_step, logs) is None:
            log = TrainingLog(shown(folder), folder, {}, {}, {})
            _add(found, log, [by_step])
    return found


def _owner(folder: Path, by_step: dict[int, Found], logs: Sequence[TrainingLog]) -> TrainingLog | None:
    """The training that a folder of results is of: the one it lies in, else one that logged one of its numbers."""
    place = folder.resolve()
    around = [log for log in logs if log.folder.resolve() in (place, *place.parents)]
    if around:
        return max(around, key=lambda log: len(log.folder.resolve().parts))
    for log in logs:
        if any(step in log.mir and log.mir[step]["mir"] == r.mir for step, (_, r) in by_step.items()):
            return log
    return None


def _add(found: InTraining, log: TrainingLog, files: Sequence[dict[int, Found]]) -> None:
    earlier = {(step, numbers["mir"]) for state in log.left_out for step, numbers in state.mir.items()}
    for step in sorted({*log.mir, *(step for by_step in files for step in by_step)}):
        model, extras = f"{log.name}/checkpoint-{step}", log.extras(step)
        logged = log.mir.get(step)
        kept = []
        for path, result in [by_step[step] for by_step in files if step in by_step]:
            if logged is None and (step, result.mir) in earlier:
                found.skipped.append(Skipped(str(path), "the file is of an earlier course of this training"))
            elif logged is not None and logged["mir"] != result.mir:
                found.skipped.append(
                    Skipped(
                        str(path),
                        f"the file has MIR {result.mir:.6g}, and the log of step {step} ({log.source[step]}) has "
                        f"{logged['mir']:.6g}: it is of another course of training, or of weights loaded afterwards",
                    )
                )
            else:
                kept.append((path, result))
        for path, result in kept:
            numbers = {name: n for name, n in values(MIR_METRICS, result).items() if n is not None}
            task = result.protocol.task if result.protocol else None
            found.runs.append(
                Run(
                    model,
                    numbers,
                    str(path),
                    task=task,
                    result=result,
                    extras=dict(extras),
                    training=log.name,
                )
            )
        if kept or logged is None:
            continue
        if math.isnan(logged["mir"]):
            found.skipped.append(
                Skipped(
                    str(log.source[step]),
                    f"eval_mir is NaN at step {step}: MIR could not be measured there, and the training's own output "
                    "says why",
                )
            )
        else:
            found.runs.append(
                Run(model, logged, str(log.source[step]), extras=dict(extras), training=log.name)
            )
