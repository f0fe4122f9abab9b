"""Reads lmms-eval's own result files: which model, which score of each task."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from mir_task.metrics import MIR_METRICS, Better
from mir_task.report.cells import LARGEST
from mir_task.report.columns import MEASURED_BASELINES
from mir_task.report.files import UnreadableError
from mir_task.report.names import not_found
from mir_task.report.records import MIRReportError

PRIMARY_METRICS = {
    "mme": "mme_perception_score",
    "seedbench": "seed_image",
    "pope": "pope_accuracy",
    "mmstar": "average",
}
"""The metric that papers report of a task with several; of other tasks the first is taken. By lmms-eval 0.7.3."""


@dataclass(frozen=True)
class LmmsResults:
    """What a ``…_results.json`` says."""

    model: str
    mir: dict[str, dict[str, float]]
    """MIR and the numbers beside it, by task and name in the table of metrics."""
    scores: dict[str, float]
    """Other tasks' scores, by task."""
    score_metrics: dict[str, str]
    """The metric of each task that its score is."""
    better: dict[str, Better]
    """Which end of each task's score is better, as the file says."""
    errors: dict[str, float]
    """Standard errors of the scores that have one."""
    baselines: dict[str, float]
    """Numbers of our baseline tasks, by metric."""
    samples: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Samples scored and samples there are, by task."""
    limits: dict[str, float | None] = field(default_factory=dict)
    """``--limit`` of tasks whose samples the file does not tell; None where it had none."""
    versions: dict[str, str] = field(default_factory=dict)
    """Version of each task."""
    without_number: list[str] = field(default_factory=list)
    """Tasks none of whose metrics is a number."""
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    """What the file says of the protocol of each task that MIR was measured by."""
    date: str = ""
    """When the file was written, in digits that sort."""
    ignored: list[str] = field(default_factory=list)
    """Tasks that the user wants to be ignored."""


def is_lmms_results(value: Any) -> bool:
    """Whether a JSON value is an lmms-eval result file."""
    return isinstance(value, dict) and isinstance(value.get("results"), dict) and "configs" in value


def read_lmms_results(
    value: Mapping[str, Any], chosen: Mapping[str, str], ignored: Collection[str] = ()
) -> LmmsResults:
    """The numbers of an lmms-eval result file.

    Args:
        value: the file's JSON.
        chosen: the user's choice of metric for a task.
        ignored: tasks that are no scores, in any case of letters.

    Raises:
        UnreadableError: it names no model.
        MIRReportError: a task has no metric of the name that was chosen.
    """
    config = value.get("config")
    arguments = config.get("model_args") if isinstance(config, dict) else None
    model = value.get("model_name") or _pretrained(arguments) or value.get("model_source")
    if not isinstance(model, str) or not model:
        raise UnreadableError(
            "the file holds results of lmms-eval and names no model", remedy="add its name as model_name"
        )
    known = {metric.name for metric in MIR_METRICS}
    date = value.get("date")
    found = LmmsResults(model, {}, {}, {}, {}, {}, {}, date=date if isinstance(date, str) else "")
    versions = _mapping(value.get("versions"))
    found.versions.update({task: str(version) for task, version in versions.items()})
    for task, entries in value["results"].items():
        numbers = _numbers(entries)
        baselines = {name: number for name, number in numbers.items() if name in MEASURED_BASELINES}
        if "mir" in numbers:
            found.settings[task] = _settings(value, task)
            found.mir[task] = {name: number for name, number in numbers.items() if name in known}
            if samples := _samples(value, task):
                found.mir[task].setdefault("mir_pairs", samples[0])
        elif baselines:
            found.baselines.update(baselines)
        elif task.lower() in {name.lower() for name in ignored}:
            found.ignored.append(task)
        elif not numbers:
            if not _is_group(entries):
                found.without_number.append(task)
        else:
            wanted = chosen.get(task) or PRIMARY_METRICS.get(task)
            if task in chosen and wanted not in numbers:
                raise MIRReportError(
                    not_found(f"--metric {task}", chosen[task], numbers, f"metric of {task}")
                )
            metric = wanted if wanted in numbers else next(iter(numbers))
            found.score_metrics[task] = metric
            found.scores[task] = numbers[metric]
            if samples := _samples(value, task):
                found.samples[task] = samples
            elif "limit" in _mapping(config):
                found.limits[task] = _limit(config)
            if (higher := _said(value.get("higher_is_better"), task, metric)) is not None:
                found.better[task] = "higher" if higher else "lower"
            if (error := _error(entries, metric, numbers[metric])) is not None:
                found.errors[task] = error
    return found


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


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_group(entries: Any) -> bool:
    """Whether a line of the results is the heading of several tasks, which has no number of its own."""
    return all(value in ("", " ") for key, value in _mapping(entries).items() if key != "alias")


def _samples(value: Mapping[str, Any], task: str) -> tuple[int, int] | None:
    """Samples of a task that were scored, and those that there are; None where the file does not say."""
    told = _mapping(_mapping(value.get("n-samples")).get(task))
    counts = told.get("effective"), told.get("original")
    return counts if all(type(count) is int and count > 0 for count in counts) else None  # type: ignore[return-value]


def _limit(config: Any) -> float | None:
    """What ``--limit`` was; None where there was none."""
    limit = config["limit"]
    is_number = isinstance(limit, (int, float)) and not isinstance(limit, bool)
    return float(limit) if is_number and 0 < limit < LARGEST else None


def _settings(value: Mapping[str, Any], task: str) -> dict[str, str]:
    """What the file says of the protocol of a task of this package."""
    config = _mapping(_mapping(value.get("configs")).get(task))
    data = [_mapping(config.get(name)).get("max_text_tokens") for name in ("metadata", "dataset_kwargs")]
    told = {"task_version": _mapping(value.get("versions")).get(task)}
    told["max_text_tokens"] = next((number for number in data if number is not None), None)
    return {name: str(number) for name, number in told.items() if number is not None}


def _said(told: Any, task: str, metric: str) -> bool | None:
    """What a mapping from task and metric to true or false says; None where it says nothing."""
    of_task = told.get(task) if isinstance(told, dict) else None
    said = of_task.get(metric) if isinstance(of_task, dict) else None
    return said if isinstance(said, bool) else None


def _error(entries: Mapping[str, Any], metric: str, number: float) -> float | None:
    """The standard error of a metric's number, by the same filter, where there is one."""
    keys = (str(key).partition(",") for key, value in entries.items() if value == number)
    filtered = next(rest for name, _, rest in keys if name == metric)
    value = entries.get(f"{metric}_stderr,{filtered}")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < LARGEST else None


def _pretrained(arguments: Any) -> str | None:
    if isinstance(arguments, dict):
        return str(arguments["pretrained"]) if arguments.get("pretrained") else None
    if isinstance(arguments, str) and "pretrained=" in arguments:
        return arguments.split("pretrained=", 1)[1].split(",")[0]
    return None
