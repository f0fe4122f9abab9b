"""Reads every file into one body of evidence; a file that cannot be read is noted, the others still load."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mir_task.report import lmms_results, tables
from mir_task.report.files import TABLE_SUFFIXES, UnreadableError, candidates, read_json
from mir_task.report.names import resolve
from mir_task.report.records import Evidence, MIRReportError, Row, Run, Skipped
from mir_task.result import MIRResult

LARGEST_MIR = 300.0
"""The log10 of the largest float64."""


@dataclass(frozen=True)
class LoadSettings:
    """What the user said about the files."""

    scores: tuple[Path, ...] = ()
    """Files or folders with scores after SFT; lmms-eval results in them are scores of the model they name."""
    mapping: Path | None = None
    """``pretrained,finetuned[,group]``."""
    baselines: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)


def load(paths: Iterable[Path], settings: LoadSettings | None = None) -> Evidence:
    """Everything that the files say.

    Raises:
        MIRReportError: a path that does not exist, an unreadable mapping, or nothing to report.
    """
    settings = settings or LoadSettings()
    reader = _Reader(settings)
    for path in candidates(paths):
        reader.read(path, after_sft=False)
    for path in candidates(settings.scores):
        reader.read(path, after_sft=True)
    return reader.evidence()


class _Reader:
    def __init__(self, settings: LoadSettings) -> None:
        self._settings = settings
        self._found = Evidence()
        self._lmms_results: list[tuple[Path, lmms_results.LmmsResults, bool]] = []
        self._results: list[tuple[Path, MIRResult]] = []

    def read(self, path: Path, after_sft: bool) -> None:
        if self._settings.mapping and path.resolve() == self._settings.mapping.resolve():
            return
        try:
            used = self._read(path, after_sft)
        except UnreadableError as error:
            self._found.skipped.append(Skipped(str(path), str(error)))
        else:
            self._found.files += used

    def _read(self, path: Path, after_sft: bool) -> bool:
        if path.suffix.lower() in TABLE_SUFFIXES:
            self._add_table(tables.read_table(path, self._settings.baselines))
            return True
        value = read_json(path)
        if lmms_results.is_lmms_results(value):
            try:
                found = lmms_results.read_lmms_results(value, self._settings.metrics)
            except ValueError as error:
                raise UnreadableError(str(error)) from error
            self._lmms_results.append((path, found, after_sft))
            self._found.metrics.update(found.metrics)
        elif isinstance(value, dict) and "mir" in value and "layers" in value:
            self._results.append((path, _validated(value)))
        elif tables.is_table(value):
            records = tables.json_records(value)
            self._add_table(tables.table_of(records, str(path), self._settings.baselines))
        else:
            if after_sft:
                raise UnreadableError(
                    "holds no scores: neither lmms-eval results nor a list of objects with a model"
                )
            return False  # some other JSON in the same folder
        return True

    def _add_table(self, content: tuple[list[Run], list[Row], list[str]]) -> None:
        runs, rows, citations = content
        for run in runs:
            self._add_run(run)
        self._found.rows += rows
        self._found.citations += [name for name in citations if name not in self._found.citations]

    def evidence(self) -> Evidence:
        found = self._found
        self._add_runs()
        models = {file.model for _, file, _ in self._lmms_results}
        mapping = [
            {**entry, "finetuned": resolve(entry["finetuned"], models) or entry["finetuned"]}
            for entry in _read_mapping(self._settings.mapping)
        ]
        for path, file, after_sft in self._lmms_results:
            if not file.scores:
                continue
            targets = [entry for entry in mapping if entry["finetuned"] == file.model]
            for entry in targets:
                found.rows.append(
                    Row(entry["pretrained"], str(path), entry.get("group") or None, dict(file.scores))
                )
            if not targets and after_sft:
                found.rows.append(Row(file.model, str(path), None, dict(file.scores)))
            elif not targets:
                found.before_sft.setdefault(file.model, {}).update(file.scores)
        found.rows = [_regrouped(row, mapping) for row in found.rows]
        if not found.runs:
            looked = "; skipped: " + "; ".join(map(str, found.skipped)) if found.skipped else ""
            raise MIRReportError(
                "no MIR results found: expected per-layer files (…_mir_<task>.json) or lmms-eval results "
                f"(…_results.json) of a mir task, or a table with the columns model and mir{looked}"
            )
        found.citations.sort()
        return found

    def _add_runs(self) -> None:
        """Per-layer files, named as lmms-eval named the model of the same run; then runs without such a file."""
        numbers = [
            (path, file, task, values)
            for path, file, _ in self._lmms_results
            for task, values in file.mir.items()
        ]
        by_value = {(path.parent, task, values["mir"]): file for path, file, task, values in numbers}
        told = set()
        for path, result in self._results:
            task = result.protocol.task if result.protocol else None
            file = by_value.get((path.parent, task or "", result.mir))
            told.add((path.parent, task, result.mir))
            self._add_run(
                Run(
                    file.model if file else result.model.name if result.model else path.stem,
                    result.mir,
                    str(path),
                    standard_error=result.standard_error,
                    pairs=result.pairs,
                    task=task,
                    result=result,
                )
            )
        for path, file, task, values in numbers:
            if (path.parent, task, values["mir"]) not in told:
                pairs = values.get("mir_pairs")
                self._add_run(
                    Run(
                        file.model,
                        values["mir"],
                        str(path),
                        standard_error=values.get("mir_se"),
                        pairs=int(pairs) if pairs is not None else None,
                        task=task,
                    )
                )
        perplexity = {
            file.model: file.perplexity for _, file, _ in self._lmms_results if file.perplexity is not None
        }
        self._found.runs = [
            replace(run, extras={lmms_results.PERPLEXITY_METRIC: perplexity[run.model], **run.extras})
            if run.model in perplexity
            else run
            for run in self._found.runs
        ]

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
    if not result.layers:
        raise UnreadableError("is a MIR result without layers")
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


def _regrouped(row: Row, mapping: list[dict[str, str]]) -> Row:
    """A table's row that names the fine-tuned model belongs to the pretrained one."""
    for entry in mapping:
        if row.model == entry["finetuned"] and row.model != entry["pretrained"]:
            return replace(row, model=entry["pretrained"], group=entry.get("group") or row.group)
    return row
