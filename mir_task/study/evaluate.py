"""Evaluates a checkpoint with lmms-eval in this process: same code and same files as its command line."""

from __future__ import annotations

import os
import shutil
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from mir_task.errors import MIRError

TIMEZONE = "UTC"


def evaluate(
    checkpoint: Path,
    tasks: Sequence[str],
    folder: Path,
    device: str,
    limit: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run tasks on a checkpoint of the study and write lmms-eval's files, and ours, into the folder.

    Args:
        checkpoint: its last name is the model's name in the results.
        tasks: names of lmms-eval tasks.
        folder: receives the files.
        device: where the model runs.
        limit: most documents of a task; None: all.
        environment: variables that the tasks read their settings from.

    Raises:
        MIRError: lmms-eval ended without a results file.
    """
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.loggers import EvaluationTracker
    from lmms_eval.utils import get_datetime_str

    arguments = {
        "model": "mir_study",
        "model_args": f"pretrained={checkpoint.name},folder={checkpoint.parent}",
    }
    options = Namespace(
        **arguments, output_path=str(folder), timezone=TIMEZONE, process_with_media=False, limit=limit
    )
    tracker = EvaluationTracker(output_path=str(folder))
    date = get_datetime_str(timezone=TIMEZONE)
    with _environment(environment or {}):
        results = simple_evaluate(
            **arguments,
            tasks=list(tasks),
            batch_size=1,
            device=device,
            limit=limit,
            log_samples=False,
            evaluation_tracker=tracker,
            task_manager=_task_manager(),
            cli_args=options,
            datetime_str=date,
        )
    tracker.save_results_aggregated(results=results, samples=None, datetime_str=date)
    _move_up(folder)
    if not list(folder.glob("*_results.json")):
        raise MIRError(f"lmms-eval wrote no results of {checkpoint.name} to {folder}; see its log above")


def _move_up(folder: Path) -> None:
    """Move files out of the folder that lmms-eval names after the model."""
    for file in folder.glob("*/*"):
        shutil.move(str(file), folder / file.name)
        if not any(file.parent.iterdir()):
            file.parent.rmdir()


@lru_cache(maxsize=1)
def _task_manager() -> Any:
    """All tasks of lmms-eval and ours, and beside them those of the study, which nobody else is shown."""
    import lmms_eval.models  # noqa: F401  (loads the plugins, ours among them)
    from lmms_eval.tasks import TaskManager

    own = str(resources.files("mir_task.tasks.study"))
    return TaskManager("INFO", include_path=own, model_name="mir_study")


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
