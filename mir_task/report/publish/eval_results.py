"""``.eval_results/*.yaml``, the Hub's present form of scores in a model's repository.

Source: https://github.com/huggingface/hub-docs/blob/main/eval_results.yaml and
https://huggingface.co/docs/hub/eval-results.
"""

from __future__ import annotations

from typing import Any

from huggingface_hub.utils import yaml_dump  # type: ignore[attr-defined]  # not in its __all__

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.publish.model_index import numbers_of
from mir_task.report.publish.provenance import PAPER, Provenance
from mir_task.report.trust import doubts

BENCHMARK = "YOUR-NAME/YOUR-BENCHMARK"
"""Stands for the data set that holds the leaderboard, which only its keeper can name; the Hub refuses this one."""


def of_checkpoint(checkpoint: Checkpoint, measured: Provenance) -> str:
    """The file of one model: ``mir`` of one task, and in the notes what else has to be known of it."""
    numbers = numbers_of(checkpoint)
    return yaml_dump(
        entries(
            dataset_id=BENCHMARK,
            task_id=measured.task,
            value=numbers["mir"],
            date=measured.date,
            source_url=PAPER,
            source_name="Modality Integration Rate",
            notes=_notes(checkpoint, measured, numbers),
        ),
        sort_keys=False,
    )


def entries(**fields: Any) -> list[dict[str, Any]]:
    """One entry as the file has it, from the fields of huggingface_hub's ``EvalResultEntry``."""
    try:
        from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    except ImportError:  # huggingface_hub before 1.4, and so every one that transformers 4 allows
        return [_entry(**fields)]
    return eval_result_entries_to_yaml([EvalResultEntry(**fields)])


def _entry(
    dataset_id: str,
    task_id: str,
    value: float,
    date: str | None,
    source_url: str,
    source_name: str,
    notes: str,
) -> dict[str, Any]:
    entry: dict[str, Any] = {"dataset": {"id": dataset_id, "task_id": task_id}, "value": value}
    if date is not None:
        entry["date"] = date
    return {**entry, "source": {"url": source_url, "name": source_name}, "notes": notes}


def _notes(checkpoint: Checkpoint, measured: Provenance, numbers: dict[str, float]) -> str:
    names = {"mir_se": "standard error", "mir_per_layer": "mir_per_layer", "mir_reference": "mir_reference"}
    said = [f"{shown} {numbers[name]:g}" for name, shown in names.items() if name in numbers]
    if len(checkpoint.runs) > 1:
        said.append(f"mean of {len(checkpoint.runs)} runs")
    told = measured.settings
    said += [
        f"{name.replace('_', ' ')} {told[name]}" for name in ("pairs", "seed", "task_version") if name in told
    ]
    said += [doubt.tag for doubt in doubts([checkpoint])]
    if "pairs_sha256" in told:
        said.append(f"pairs sha256 {told['pairs_sha256'][:12]}")
    if "mir-task" in measured.versions:
        said.append(f"mir-task {measured.versions['mir-task']}")
    return "lower is better; " + ", ".join(said) if said else "lower is better"
