"""Reads every file; one that cannot be read is noted, and the others still load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mir_task.report import lmms_results, tables
from mir_task.report.columns import EMPTY, IGNORED
from mir_task.report.delimited import json_records
from mir_task.report.files import TABLE_SUFFIXES, UnreadableError, candidates, read_json
from mir_task.report.layer_files import is_result, read_result
from mir_task.report.mapping import read_mapping
from mir_task.report.meaning import NoModelsError
from mir_task.report.names import not_found
from mir_task.report.progress import progress
from mir_task.report.records import Evidence, MIRReportError, Row, Run, Skipped, listing
from mir_task.report.runs import LmmsFile, grouped_by_training, joined_runs
from mir_task.report.text import sentence
from mir_task.report.trainer_logs import TrainerState, is_trainer_state, read_trainer_state
from mir_task.result import MIRResult

NOTHING_KNOWN = (
    "the file holds neither MIR, nor results of lmms-eval, nor a table of models",
    "",
    "a table in JSON is a list of objects, each with a model",
)
NO_NUMBER = "no metric that is a number"
"""Reason why a task is left out that was given as a score."""


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
    found, scores = candidates(paths), candidates(settings.scores)
    given = {path.resolve() for path in paths}
    # What is given as both is read once, as scores, and its MIR counts.
    as_both = candidates(path for path in settings.scores if path.resolve() in given)
    before = [path for content, path in found.items() if content not in scores]
    for path in progress(before, "Reading files"):
        reader.read(path, after_sft=False, named=path in paths)
    for content in progress(list(scores), "Reading scores"):
        path = scores[content]
        reader.read(path, after_sft=True, named=path in settings.scores, only_after=content not in as_both)
    return reader.evidence()


class _Reader:
    def __init__(self, settings: LoadSettings) -> None:
        self._settings = settings
        self._found = Evidence()
        self._lmms_files: list[LmmsFile] = []
        self._results: list[tuple[Path, MIRResult]] = []
        self._in_tables: list[Run] = []
        self._empty: dict[str, str] = {}
        """Columns that hold nothing, with a sentence that names the file."""
        self._states: list[TrainerState] = []
        self._measured_after: list[str] = []
        """Fine-tuned models whose MIR was measured."""

    def read(self, path: Path, after_sft: bool, named: bool, only_after: bool = False) -> None:
        """Read a file; why it could not be read is noted.

        Args:
            path: the file.
            after_sft: it was given as scores of fine-tuned models.
            named: the user gave it, and it was not only found in a folder, where tables of other things may lie.
            only_after: it was given as scores alone: MIR in it, unless in a table, is of fine-tuned models.
        """
        if self._settings.mapping and path.resolve() == self._settings.mapping.resolve():
            return
        try:
            used = self._read(path, after_sft, only_after)
        except NoModelsError as error:
            if named:
                self._found.skipped.append(error.of(str(path)))
        except UnreadableError as error:
            self._found.skipped.append(error.of(str(path)))
        else:
            self._found.files += used
            if named and not used:
                self._found.skipped.append(Skipped(str(path), *NOTHING_KNOWN))

    def _read(self, path: Path, after_sft: bool, only_after: bool) -> bool:
        if path.suffix.lower() in TABLE_SUFFIXES:
            self._add_table(tables.read_table(path, self._settings.baselines, self._settings.ignored), path)
            return True
        value = read_json(path)
        if lmms_results.is_lmms_results(value):
            results = lmms_results.read_lmms_results(
                value, self._settings.score_metrics, self._settings.ignored
            )
            if only_after:
                self._measured_after += [results.model] if results.mir else []
                results = replace(results, mir={}, baselines={})
            self._lmms_files.append(LmmsFile(path, results, after_sft))
            self._found.score_metrics.update(results.score_metrics)
            self._found.left_out.update(dict.fromkeys(results.ignored, IGNORED))
            if after_sft:
                self._found.left_out.update(dict.fromkeys(results.without_number, NO_NUMBER))
        elif is_result(value):
            result = read_result(value)
            if only_after:
                self._measured_after.append(result.model.name if result.model else path.stem)
            else:
                self._results.append((path, result))
        elif is_trainer_state(value):
            state = read_trainer_state(value, path)
            if only_after:
                self._measured_after += [str(state.folder)] if state.mir else []
            else:
                self._states.append(state)
        elif tables.is_table(value):
            records = json_records(value)
            self._add_table(
                tables.table_of(records, str(path), self._settings.baselines, self._settings.ignored), path
            )
        else:
            return False  # some other JSON in the same folder
        return True

    def _add_table(self, table: tables.Table, path: Path) -> None:
        for model, recipe in table.recipes.items():
            if (known := self._found.recipes.get(model, recipe)) != recipe:
                raise UnreadableError(
                    f"{model!r} is of the recipe {recipe!r} here, and of {known!r} in another table",
                    "column 'recipe'",
                    "a model has one recipe",
                )
        self._found.recipes.update(table.recipes)
        self._in_tables += table.runs
        self._found.rows += table.rows
        self._found.left_out.update(table.left_out)
        for name, reason in table.left_out.items():
            if reason == EMPTY:
                self._empty.setdefault(name, f"the column {name!r} holds no value in any line ({path})")
        self._found.citations += [name for name in table.citations if name not in self._found.citations]

    def evidence(self) -> Evidence:
        """What was read, joined.

        Raises:
            MIRReportError: an unreadable mapping, no MIR, or an option that names nothing.
        """
        found = self._found
        measured = joined_runs(self._states, self._results, self._lmms_files, self._in_tables)
        found.runs = measured.runs
        found.rows += measured.rows
        found.skipped += measured.skipped
        if not found.runs:
            reasons = [*map(str, found.skipped), *self._empty_of("mir"), *self._said_of_measured_after()]
            raise MIRReportError(_no_mir(reasons))
        found.understood += [f"{sentence(said)}." for said in self._said_of_measured_after()]
        self._map_scores()
        found.runs = grouped_by_training(found.runs, found.rows)
        found.citations.sort()
        scored = {name for row in found.rows for name in row.scores}
        # Another table may hold what a column of one lacks.
        found.left_out = {n: r for n, r in found.left_out.items() if r != EMPTY or n not in scored}
        if not scored and all(row.average is None for row in found.rows):
            found.no_scores = self._why_no_scores()
        self._check_options()
        return found

    def _map_scores(self) -> None:
        """Give scores to the pretrained models that the mapping names, else to the model itself."""
        found = self._found
        models = {file.results.model for file in self._lmms_files} | {row.model for row in found.rows}
        mapping = read_mapping(self._settings.mapping, models)
        found.rows = [each for row in found.rows for each in mapping.rows_of(row)]
        for file in self._lmms_files:
            if file.results.scores:
                self._add_scores(file, mapping.owners(file.results.model))
        found.understood += mapping.unused

    def _why_no_scores(self) -> list[str]:
        """Reasons why there are no scores although some were expected."""
        reasons = self._empty_of(*(name for name in self._empty if name != "mir"))
        if self._settings.scores:
            tasks = [task for task, reason in self._found.left_out.items() if reason == NO_NUMBER]
            lacking = f": {listing(tasks)} {NO_NUMBER.replace('no', 'have no', 1)}" if tasks else ""
            reasons.append(f"no scores found in --scores {listing(self._settings.scores)}{lacking}")
        measured = {run.model for run in self._found.runs}
        others = [model for model in self._found.before_sft if model not in measured]
        if others:
            reasons.append(
                f"there are scores of models without MIR, which are not used: {listing(others)}; if they are the "
                "fine-tuned models, give their files as --scores, and with other names than the pretrained ones a "
                "--mapping"
            )
        return reasons

    def _said_of_measured_after(self) -> list[str]:
        names = listing(dict.fromkeys(self._measured_after))
        return (
            [f"MIR in files of --scores is of fine-tuned models, and does not count: {names}"]
            if names
            else []
        )

    def _empty_of(self, *names: str) -> list[str]:
        return [self._empty[name] for name in names if name in self._empty]

    def _check_options(self) -> None:
        """Refuse options that name nothing.

        Raises:
            MIRReportError: with what is near.
        """
        found = self._found
        for task in self._settings.score_metrics:
            if task not in found.score_metrics:
                raise MIRReportError(
                    not_found("--metric", task, found.score_metrics, "task of lmms-eval with scores")
                )
        ignored = {name.lower() for name, reason in found.left_out.items() if reason == IGNORED}
        for name in self._settings.ignored:
            if name.lower() not in ignored:
                names = {n for row in found.rows for n in (*row.scores, *row.extras)} | found.left_out.keys()
                raise MIRReportError(not_found("--ignore", name, names, "column or task"))

    def _add_scores(self, file: LmmsFile, owners: Sequence[tuple[str, str | None]]) -> None:
        """Add the scores of a file to their owners, by name and group, else to the model itself."""
        model, scores = file.results.model, file.results.scores
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
                    limits=dict(told.limits),
                    versions=dict(told.versions),
                )
            )


def _no_mir(reasons: list[str]) -> str:
    """Message that there is no MIR, the reasons first."""
    if reasons:
        return f"{listing(reasons, 3)}. No other file holds MIR."
    return (
        "no MIR results found: expected per-layer files (…_mir_<task>.json) or lmms-eval results (…_results.json) of a "
        "mir task, or a table with the columns model and mir, or a trainer_state.json with "
        "eval_mir"
    )
