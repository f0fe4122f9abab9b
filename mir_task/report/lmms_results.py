"""Reads lmms-eval's own result files: which model, which score of each task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mir_task.report.tables import LARGEST

PRIMARY_METRICS = {
    "mme": "mme_perception_score",
    "seedbench": "seed_image",
    "pope": "pope_accuracy",
    "mmstar": "average",
}
"""The metric that papers report of a task with several; of other tasks the first is taken. By lmms-eval 0.7.3."""
MIR_METRICS = ("mir", "mir_se", "mir_pairs")
PERPLEXITY_METRIC = "caption_ppl"


@dataclass(frozen=True)
class LmmsResults:
    """What a ``…_results.json`` says."""

    model: str
    mir: dict[str, dict[str, float]]
    """Our tasks' numbers, by task."""
    scores: dict[str, float]
    metrics: dict[str, str]
    perplexity: float | None = None


def is_lmms_results(value: Any) -> bool:
    """Whether a JSON value is an lmms-eval result file."""
    return isinstance(value, dict) and isinstance(value.get("results"), dict) and "configs" in value


def read_lmms_results(value: Mapping[str, Any], chosen: Mapping[str, str]) -> LmmsResults:
    """The numbers of an lmms-eval result file.

    Args:
        value: the file's JSON.
        chosen: the user's choice of metric for a task.

    Raises:
        ValueError: it names no model.
    """
    config = value.get("config")
    arguments = config.get("model_args") if isinstance(config, dict) else None
    model = value.get("model_name") or _pretrained(arguments) or value.get("model_source")
    if not isinstance(model, str) or not model:
        raise ValueError("is an lmms-eval result file that names no model (model_name, model_source)")
    mir: dict[str, dict[str, float]] = {}
    scores, metrics, perplexity = {}, {}, None
    for task, entries in value["results"].items():
        numbers = _numbers(entries)
        if "mir" in numbers:
            mir[task] = {name: numbers[name] for name in MIR_METRICS if name in numbers}
        elif PERPLEXITY_METRIC in numbers:
            perplexity = numbers[PERPLEXITY_METRIC]
        elif numbers:
            wanted = chosen.get(task) or PRIMARY_METRICS.get(task)
            if task in chosen and wanted not in numbers:
                raise ValueError(f"task {task} has no metric {wanted!r}, only {', '.join(numbers)}")
            metrics[task] = wanted if wanted in numbers else next(iter(numbers))
            scores[task] = numbers[metrics[task]]
    return LmmsResults(model, mir, scores, metrics, perplexity)


def _numbers(entries: Any) -> dict[str, float]:
    """Finite metrics of a task by name, standard errors left out; the first filter of each metric."""
    found: dict[str, float] = {}
    for key, value in entries.items() if isinstance(entries, dict) else ():
        name, _, rest = str(key).partition(",")
        if not rest or "_stderr" in name or name in found or isinstance(value, bool):
            continue
        if isinstance(value, (int, float)) and abs(value) < LARGEST:
            found[name] = float(value)
    return found


def _pretrained(arguments: Any) -> str | None:
    if isinstance(arguments, dict):
        return str(arguments["pretrained"]) if arguments.get("pretrained") else None
    if isinstance(arguments, str) and "pretrained=" in arguments:
        return arguments.split("pretrained=", 1)[1].split(",")[0]
    return None
