"""Reads every file; one that cannot be read is noted, and the others still load."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from mir_task.metrics import MIR_METRICS, values
from mir_task.report import lmms_results, tables
from mir_task.report.columns import IGNORED
from mir_task.report.files import TABLE_SUFFIXES, UnreadableError, candidates, read_json
from mir_task.report.in_training import measured_in_training
from mir_task.report.names import labels, not_found, resolve
from mir_task.report.records import Evidence, MIRReportError, Row, Run, Skipped
from mir_task.report.trainer_logs import TrainerState, is_trainer_state, read_trainer_state
from mir_task.result import MIRResult

LARGEST_MIR = 300.0
"""The log10 of the largest float64."""
ROUNDING = 0.00051
"""A table writes MIR to three decimals or more."""


@dataclass(frozen=True)
class LoadSettings:
    """What the user said about the files."""

    scores: tuple[Path, ...] = ()
    """Files or folders with scores after SFT; lmms-eval results in them are scores of the model they name."""
    mapping: Path | None = None
    """Table with the columns ``pretrained,finetuned[,group]``."""
    baselines: Mapping[str, str] = field(default_factory=dict)
    """Columns that are measures in the place of MIR, besides those known, and which end of each is better."""
    score_metrics: Mapping[str, str] = field(default_factory=dict)
    """The metric of an lmms-eval task that is its score, by task."""
    ignored: tuple[str, ...] = ()
    """Columns and tasks that are not read."""


def load(paths: Iterable[Path], settings: LoadSettings | None = None) -> Evidence:
    """Read everything that the files say.

    Raises:
        MIRReportError: a path that does not exist, an unreadable mapping, or nothing to report.
    """
    settings = settings or LoadSettings()
    reader = _Reader(settings)
    paths = list(paths)
    for path in candidates(paths):
        reader.read(path, after_sft=False, named=path in paths)
    for path in candidates(settings.scores):
        reader.read(path, after_sft=True, named=True)
    return reader.evidence()


class _LmmsFile(NamedTuple):
    """One of lmms-eval's result files."""

    path: Path
    results: lmms_results.LmmsResults
    after_sft: bool
    """It was given as scores of fine-tuned models."""


class _Reader:
    def __init__(self, settings: LoadSettings) -> None:
        self._settings = settings
        self._found = Evidence()
        self._lmms_files: list[_LmmsFile] = []
        self._results: list[tuple[Path, MIRResult]] = []
        self._states: list[TrainerState] = []

    def read(self, path: Path, after_sft: bool, named: bool) -> None:
        """Read a file; why it could not be read is noted.

        Args:
            path: the file.
            after_sft: it was given as scores of fine-tuned models.
            named: the user gave it, and it was not only found in a folder, where tables of other things may lie.
        """
        if self._settings.mapping and path.resolve() == self._settings.mapping.resolve():
            return
        try:
            used = self._read(path, after_sft)
        except tables.NoModelsError as error:
            if named:
                self._found.skipped.append(Skipped(str(path), str(error)))
        except UnreadableError as error:
            self._found.skipped.append(Skipped(str(path), str(error)))
        else:
            self._found.files += used

    def _read(self, path: Path, after_sft: bool) -> bool:
        if path.suffix.lower() in TABLE_SUFFIXES:
            self._add_table(tables.read_table(path, self._settings.baselines, self._settings.ignored))
            return True
        value = read_json(path)
        if lmms_results.is_lmms_results(value):
            results = lmms_results.read_lmms_results(
                value, self._settings.score_metrics, self._settings.ignored
            )
            self._lmms_files.append(_LmmsFile(path, results, after_sft))
            self._found.score_metrics.update(results.score_metrics)
            self._found.left_out.update(dict.fromkeys(results.ignored, IGNORED))
        elif isinstance(value, dict) and "mir" in value and "layers" in value:
            self._results.append((path, _validated(value)))
        elif is_trainer_state(value):
            self._states.append(read_trainer_state(value, path))
        elif tables.is_table(value):
            records = tables.json_records(value)
            self._add_table(
                tables.table_of(records, str(path), self._settings.baselines, self._settings.ignored)
            )
        else:
            if after_sft:
                raise UnreadableError(
                    "holds no scores: neither lmms-eval results nor a list of objects with a model"
                )
            return False  # some other JSON in the same folder
        return True

    def _add_table(self, table: tables.Table) -> None:
        for run in table.runs:
            self._add_run(run)
        self._found.rows += table.rows
        self._found.left_out.update(table.left_out)
        self._found.citations += [name for name in table.citations if name not in self._found.citations]

    def evidence(self) -> Evidence:
        """What was read, joined.

        Raises:
            MIRReportError: an unreadable mapping, or no MIR.
        """
        found = self._found
        self._add_runs()
        models = {file.results.model for file in self._lmms_files}
        mapping = [
            {**entry, "finetuned": resolve(entry["finetuned"], models) or entry["finetuned"]}
            for entry in _read_mapping(self._settings.mapping)
        ]
        for file in self._lmms_files:
            if file.results.scores:
                self._add_scores(file, [e for e in mapping if e["finetuned"] == file.results.model])
        found.rows = [_regrouped(row, mapping) for row in found.rows]
        found.runs = _grouped_by_training(found.runs, found.rows)
        if not found.runs:
            looked = "; skipped: " + "; ".join(map(str, found.skipped)) if found.skipped else ""
            raise MIRReportError(
                "no MIR results found: expected per-layer files (…_mir_<task>.json) or lmms-eval results "
                "(…_results.json) of a mir task, or a table with the columns model and mir, or trainer_state.json "
                f"with eval_mir{looked}"
            )
        found.citations.sort()
        for task in self._settings.score_metrics:
            if task not in found.score_metrics:
                raise MIRReportError(not_found("--metric", task, found.score_metrics, "task with scores"))
        ignored = [name for name, reason in found.left_out.items() if reason == IGNORED]
        for name in self._settings.ignored:
            if name.lower() not in {other.lower() for other in ignored}:
                names = {
                    name for row in found.rows for name in (*row.scores, *row.extras)
                } | found.left_out.keys()
                raise MIRReportError(not_found("--ignore", name, names, "column or task"))
        return found

    def _add_scores(self, file: _LmmsFile, entries: Iterable[Mapping[str, str]]) -> None:
        """Add scores to the pretrained models that the mapping's entries name, else to the model itself."""
        model, scores = file.results.model, file.results.scores
        owners = [(entry["pretrained"], entry.get("group") or None) for entry in entries]
        if not owners and not file.after_sft:
            self._found.before_sft.setdefault(model, {}).update(scores)
            return
        told = file.results
        for owner, group in owners or [(model, None)]:
            self._found.rows.append(
                Row(
                    owner,
                    str(file.path),
                    group,
                    dict(scores),
                    errors=dict(told.errors),
                    better=dict(told.better),
                    metrics=dict(told.score_metrics),
                    scored=model,
                    date=told.date or file.path.name,
                    samples=dict(told.samples),
                    versions=dict(told.versions),
                )
            )

    def _add_runs(self) -> None:
        """Add the runs of per-layer files, then those that only lmms-eval's result files tell of.

        A per-layer file and a row of lmms-eval's results are of one run where folder, task and MIR are the same.
        """
        rows = [
            (file, task, numbers) for file in self._lmms_files for task, numbers in file.results.mir.items()
        ]
        model_of = {
            (file.path.parent, task, numbers["mir"]): file.results.model for file, task, numbers in rows
        }
        in_tables, self._found.runs = self._found.runs, []
        in_training = measured_in_training(self._states, self._results)
        self._found.skipped += in_training.skipped
        for run in in_training.runs:
            self._add_run(run)
        with_layers = set()
        for path, result in in_training.others:
            task = result.protocol.task if result.protocol else ""
            place = (path.parent, task, result.mir)
            with_layers.add(place)
            # lmms-eval's name of the model first: it is that of the scores.
            own_name = result.model.name if result.model else path.stem
            known = {
                name: number for name, number in values(MIR_METRICS, result).items() if number is not None
            }
            self._add_run(
                Run(model_of.get(place, own_name), known, str(path), task=task or None, result=result)
            )
        for file, task, numbers in rows:
            if (file.path.parent, task, numbers["mir"]) not in with_layers:
                self._add_run(
                    Run(
                        file.results.model,
                        numbers,
                        str(file.path),
                        task=task,
                        settings=file.results.settings.get(task, {}),
                    )
                )
        self._add_runs_of_tables(in_tables)
        baselines: dict[str, dict[str, float]] = {}
        for file in self._lmms_files:
            baselines.setdefault(file.results.model, {}).update(file.results.baselines)
        self._found.runs = [
            replace(run, extras={**baselines.get(run.model, {}), **run.extras}) for run in self._found.runs
        ]

    def _add_runs_of_tables(self, in_tables: Iterable[Run]) -> None:
        """Add runs of tables; one that repeats a file's MIR, rounded, is that run and only its other columns count."""
        measured: dict[str, list[float]] = {}
        for run in self._found.runs:
            measured.setdefault(run.model, []).append(run.mir)
        for run in in_tables:
            name = resolve(run.model, measured)
            if name is None or all(abs(run.mir - mir) > ROUNDING for mir in measured[name]):
                self._found.runs.append(run)
            elif run.extras or run.group:
                self._found.rows.append(Row(run.model, run.source, run.group, extras=dict(run.extras)))

    def _add_run(self, run: Run) -> None:
        error = run.standard_error
        if not math.isfinite(run.mir):
            reason = f"MIR is {run.mir}: the modalities are identical or nothing was measured"
        elif abs(run.mir) > LARGEST_MIR:
            reason = f"MIR is {run.mir}, which is the log10 of no distance"
        elif error is not None and not 0 <= error < LARGEST_MIR:
            reason = f"the standard error of MIR is {error}"
        elif run.pairs is not None and run.pairs < 1:
            reason = f"MIR of {run.pairs} pairs"
        else:
            self._found.runs.append(run)
            return
        self._found.skipped.append(Skipped(run.source, reason))


def _validated(value: Any) -> MIRResult:
    try:
        result = MIRResult.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UnreadableError(f"is not a MIR result: {where}: {first['msg']}") from error
    for layer in result.layers:
        for name, number in layer:
            if number is not None and not abs(number) < tables.LARGEST:
                raise UnreadableError(f"layer {layer.layer}: {name} is {number}")
    return result


def _read_mapping(path: Path | None) -> list[dict[str, str]]:
    if path is None:
        return []
    try:
        return tables.read_columns(path, ("pretrained", "finetuned"))
    except UnreadableError as error:
        raise MIRReportError(f"--mapping {path}: {error}") from error


def _grouped_by_training(runs: list[Run], rows: Iterable[Row]) -> list[Run]:
    """The runs with each training as a group, where scores name no groups of their own."""
    if any(row.group for row in rows):
        return runs
    names = labels(run.training for run in runs if run.training)
    return [replace(run, group=names[run.training]) if run.training else run for run in runs]


def _regrouped(row: Row, mapping: list[dict[str, str]]) -> Row:
    """A table's row that names the fine-tuned model belongs to the pretrained one."""
    for entry in mapping:
        if row.model == entry["finetuned"] and row.model != entry["pretrained"]:
            return replace(row, model=entry["pretrained"], group=entry.get("group") or row.group)
    return row
