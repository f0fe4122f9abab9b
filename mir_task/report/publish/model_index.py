"""``model-index`` blocks for the front matter of model cards, by huggingface_hub's own classes.

Source: https://github.com/huggingface/hub-docs/blob/main/modelcard.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.names import labels
from mir_task.report.publish.provenance import PAPER, Provenance
from mir_task.report.records import Row
from mir_task.report.trust import doubts

TASK_TYPE = "image-text-to-text"
"""The Hub's name of what such models do."""
SIGNIFICANT = 6
TITLES = {
    "mir": "MIR (lower is better)",
    "mir_se": "Standard error of MIR",
    "mir_per_layer": "MIR per layer (lower is better)",
    "mir_reference": "MIR as the authors' released script computes it (lower is better)",
}
"""Published metrics and what the card shows them as."""
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)


def of_checkpoint(checkpoint: Checkpoint, measured: Provenance) -> str:
    """The block of a checkpoint before SFT, YAML: MIR and the numbers beside it, each a metric of one result."""
    numbers = numbers_of(checkpoint)
    results = [
        EvalResult(
            task_type=TASK_TYPE,
            task_name="Integration of vision and text before SFT",
            dataset_type=measured.dataset,
            dataset_name=measured.dataset_name,
            dataset_config=measured.config,
            dataset_split=measured.split,
            dataset_revision=measured.revision,
            dataset_args=dict(measured.settings),
            metric_type=name,
            metric_value=number,
            metric_name=TITLES[name],
            metric_args=_runs(checkpoint, numbers) if name == "mir" else None,
            source_name="Measured by mir-task" + _version(measured.versions),
            source_url=PAPER,
        )
        for name, number in numbers.items()
    ]
    return _block(public_name(checkpoint), results)


def of_scores(row: Row) -> str:
    """The block of a fine-tuned model, YAML: its scores by lmms-eval, with nothing of MIR.

    lmms-eval's task stands for the data set: its files do not always name the one of the Hub.
    """
    results = [
        EvalResult(
            task_type=TASK_TYPE,
            dataset_type=task,
            dataset_name=task,
            dataset_args=_samples(row, task),
            metric_type=row.metrics.get(task, "score"),
            metric_value=rounded(score),
            metric_args={"standard_error": rounded(row.errors[task])} if task in row.errors else None,
        )
        for task, score in row.scores.items()
    ]
    return _block(scored_name(row), results)


def numbers_of(checkpoint: Checkpoint) -> dict[str, float]:
    """The published numbers: means over the runs, those that every run has."""
    runs = [run.numbers for run in checkpoint.runs]
    means = {
        name: sum(run[name] for run in runs) / len(runs)
        for name in TITLES
        if all(name in run for run in runs)
    }
    means |= {"mir": checkpoint.mir}
    if checkpoint.standard_error is not None:
        means["mir_se"] = checkpoint.standard_error
    return {name: rounded(means[name]) for name in TITLES if name in means}


def public_name(checkpoint: Checkpoint) -> str:
    """The model's name where it could be one of the Hub's, else its shortest; a path is no one else's business."""
    return checkpoint.name if HUB_NAME.fullmatch(checkpoint.name) else checkpoint.label


def scored_name(row: Row) -> str:
    """The fine-tuned model's name where it could be one of the Hub's, else the end of its path."""
    name = row.scored or row.model
    return name if HUB_NAME.fullmatch(name) else next(iter(labels([name]).values()))


def rounded(value: float) -> float:
    """The number to six significant digits, which is more than its error leaves."""
    return float(f"{value:.{SIGNIFICANT}g}")


def _block(name: str, results: list[EvalResult]) -> str:
    return ModelCardData(model_name=name, eval_results=results).to_yaml() + "\n"


def _runs(checkpoint: Checkpoint, numbers: Mapping[str, float]) -> dict[str, Any]:
    found: dict[str, Any] = {"lower_is_better": True, "pairs": checkpoint.pairs, "runs": len(checkpoint.runs)}
    if "mir_se" in numbers:
        found["standard_error"] = numbers["mir_se"]
    if checkpoint.spread is not None:
        found["standard_deviation_over_runs"] = rounded(checkpoint.spread)
    found["reasons_for_doubt"] = [doubt.code for doubt in doubts([checkpoint])] or None
    return {name: value for name, value in found.items() if value is not None}


def _samples(row: Row, task: str) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    if task in row.versions:
        found["task_version"] = row.versions[task]
    if task in row.samples:
        found["samples"], found["samples_of_the_task"] = row.samples[task]
    return found or None


def _version(versions: Mapping[str, str]) -> str:
    version = versions.get("mir-task")
    return f" {version}" if version else ""
