"""Tables of models: a ``model`` column, and any of MIR, scores, averages, baselines and scale."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mir_task.metrics import CAPTION_METRICS, MIR_METRICS, Better
from mir_task.report.benchmarks import is_benchmark
from mir_task.report.columns import IGNORED, MIR_ERRORS, error_of, is_measurement, is_setting
from mir_task.report.files import UnreadableError, read_json, read_text
from mir_task.report.records import Row, Run, listing

MIR_COLUMNS = {metric.name: metric.name for metric in MIR_METRICS} | {"pairs": "mir_pairs"}
"""Columns that hold MIR and the numbers beside it, with the metric that each is."""
TEXT_COLUMNS = ("model", "group", "average_over", "source", "note", "task")
PROGRESS = {
    "step": "training step",
    "samples": "training samples",
    "tokens": "training tokens",
    "epoch": "epoch",
}
"""Columns that say how far a checkpoint was trained, in words for an axis."""
MEASURED_BASELINES: dict[str, Better] = {
    metric.name: metric.better for metric in CAPTION_METRICS if metric.better is not None
}
"""Baselines that tasks of this package measure."""
BASELINES: dict[str, Better] = {
    "loss": "lower",
    "final_loss": "lower",
    "train_loss": "lower",
    "training_loss": "lower",
    "perplexity": "lower",
    "ppl": "lower",
    "in_context": "higher",
    "in_context_score": "higher",
    "icl_score": "higher",
    **MEASURED_BASELINES,
}
"""Columns known to be measures that one could use in the place of MIR, and which end of each is better."""
REPLICATES = ("seed", "run", "replicate", "sft_seed", "training_seed")
"""Columns that tell several runs of one model apart."""
LARGEST = 1e100
"""Numbers beyond are damage, and would overflow in sums of squares."""
MISSING = ("", "-", "\u2013", "\u2014", "na", "n/a", "nan", "null", "none")


class NoModelsError(UnreadableError):
    """A table of something else."""


class Record(NamedTuple):
    """One line of a table."""

    place: str
    """Where it stands in its file, for messages."""
    fields: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """What a table says."""

    runs: list[Run]
    rows: list[Row]
    citations: list[str]
    """Sources that it names, each once."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Columns that are not taken for scores, and why."""


def read_table(path: Path, baselines: Iterable[str], ignored: Collection[str] = ()) -> Table:
    """Read a table of models.

    Args:
        path: a .csv or .tsv file with a header, or a .json list of objects.
        baselines: names of columns that are no benchmarks, besides those known.
        ignored: names of columns that are not read at all.

    Raises:
        UnreadableError: naming line and column.
    """
    return table_of(_records(path), str(path), baselines, ignored)


def table_of(
    records: Sequence[Record], source: str, baselines: Iterable[str], ignored: Collection[str] = ()
) -> Table:
    """Make a table of records that are read already; arguments and errors as for :func:`read_table`."""
    table = Table([], [], [])
    columns = _Columns(records, {*PROGRESS, *BASELINES, *baselines}, ignored)
    table.left_out.update(columns.left_out)
    for place, given in records:
        fields = {columns.meaning[name]: value for name, value in given.items()}
        texts = {name: str(fields.get(name) or "").strip() for name in TEXT_COLUMNS}
        if not texts["model"]:
            raise UnreadableError(f"{place}: no value in the column 'model'")
        present = _numbers({n: v for n, v in fields.items() if n in columns.numeric}, place)
        numbers = {MIR_COLUMNS[name]: number for name, number in present.items() if name in MIR_COLUMNS}
        extras = {name: number for name, number in present.items() if name in columns.extras}
        scores = {name: number for name, number in present.items() if name in columns.scores}
        errors = {
            of: present[name] for of, name in columns.errors.items() if name in present and of in scores
        }
        model, group = texts["model"], texts["group"] or None
        if "mir" in numbers:
            if numbers.get("mir_se", 0) < 0:
                raise UnreadableError(f"{place}: mir_se is negative ({numbers['mir_se']})")
            table.runs.append(Run(model, numbers, source, group, texts["task"] or None, extras=extras))
        if scores or "average" in present or (extras and "mir" not in numbers):
            over = tuple(name.strip() for name in texts["average_over"].split(";") if name.strip())
            table.rows.append(
                Row(
                    model,
                    source,
                    group,
                    scores,
                    present.get("average"),
                    over,
                    extras,
                    errors,
                    place=place,
                    replicate=columns.replicate(fields),
                )
            )
        if texts["source"] and texts["source"] not in table.citations:
            table.citations.append(texts["source"])
    return table


class _Columns:
    """What each column of a table is: by name, and as text where it holds no number."""

    def __init__(
        self, records: Sequence[Record], no_benchmarks: Collection[str], ignored: Collection[str]
    ) -> None:
        # "MME" and "mme" stay different names; the few names that mean something here are known in any case.
        special = {*MIR_COLUMNS, *TEXT_COLUMNS, *PROGRESS, *BASELINES, "average"}
        names = list(dict.fromkeys(name for record in records for name in record.fields))
        self.meaning = {name: _known(name, special) for name in names}
        """The name that each column of the file has here."""
        error = next((name for name in MIR_ERRORS for n in names if n.strip().lower() == name), None)
        self.meaning |= {name: "mir_se" for name in names if error and name.strip().lower() == error}
        if records and "model" not in self.meaning.values():
            raise NoModelsError(
                f"no column 'model', which a table of models has; the columns are {listing(map(repr, names))}"
            )
        written: dict[str, list[str]] = {}
        for name, meaning in self.meaning.items():
            written.setdefault(meaning, []).append(name)
        for same in written.values():
            if len(same) > 1:
                raise UnreadableError(
                    f"the columns {' and '.join(map(repr, same))} mean the same; remove or rename one"
                )
        self.left_out: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        """The column with the standard error of each column that has one."""
        self.scores: set[str] = set()
        self.extras = {name for name in self.meaning.values() if name in no_benchmarks}
        unread = {name.strip().lower() for name in ignored}
        known = [name for name in self.meaning.values() if name not in TEXT_COLUMNS]
        self.extras = {name for name in self.extras if name.lower() not in unread}
        for name in known:
            of = error_of(name)
            if name.lower() in unread:
                self.left_out[name] = IGNORED
            elif name in (*MIR_COLUMNS, "average") or name in self.extras:
                continue
            elif is_measurement(name):
                self.left_out[name] = "measured before SFT"
            elif of is not None:
                self.left_out[name] = f"standard error of {of}"
                self.errors.setdefault(of, name)
            elif is_setting(name) and not is_benchmark(name):
                self.left_out[name] = "setting"
            elif not name or name.startswith("Unnamed: "):
                self.left_out[name or "(no name)"] = "column without a name"
            elif _is_text(record.fields.get(written[name][0]) for record in records):
                self.left_out[name] = "text"
            else:
                self.scores.add(name)
        self.numeric = {
            *(name for name in (*MIR_COLUMNS, "average") if name.lower() not in unread),
            *self.extras,
            *self.scores,
            *(name for of, name in self.errors.items() if of in self.scores),
        }
        self._replicates = [name for name in known if name.lower() in REPLICATES]

    def replicate(self, fields: Mapping[str, Any]) -> str | None:
        """Seed or run of a line, in words; None where no column tells it."""
        told = {name: str(fields.get(name) or "").strip() for name in self._replicates}
        return ", ".join(f"{name} {value}" for name, value in told.items() if value) or None


def is_table(value: Any) -> bool:
    """Whether a JSON value is a list of objects that name models."""
    return (
        isinstance(value, list) and bool(value) and all(isinstance(v, dict) and "model" in v for v in value)
    )


def json_records(value: list[dict[str, Any]]) -> list[Record]:
    """The records of a table in JSON."""
    return [Record(f"entry {number}", dict(fields)) for number, fields in enumerate(value, start=1)]


def read_columns(path: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
    """A table of text, such as a mapping.

    Raises:
        UnreadableError: a column is missing.
    """
    records = [record.fields for record in _records(path)]
    for number, fields in enumerate(records, start=1):
        missing = [name for name in required if not str(fields.get(name) or "").strip()]
        if missing:
            raise UnreadableError(
                f"entry {number}: no {' and no '.join(missing)}; the columns needed are {', '.join(required)}"
            )
    return [{name: str(value or "").strip() for name, value in fields.items()} for fields in records]


def _records(path: Path) -> list[Record]:
    if path.suffix.lower() == ".json":
        value = read_json(path)
        if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
            raise UnreadableError("a table in JSON is a list of objects, one a model")
        return json_records(value)
    text = read_text(path)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        lines = [(reader.line_num, fields) for fields in reader if any(field.strip() for field in fields)]
    except csv.Error as error:
        raise UnreadableError(f"line {reader.line_num}: {error}") from error
    if not lines:
        raise UnreadableError("is empty")
    header = [name.strip() for name in lines[0][1]]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise UnreadableError(f"line {lines[0][0]}: the column {repeated[0]!r} is there twice")
    for number, fields in lines[1:]:
        if len(fields) != len(header):
            raise UnreadableError(f"line {number}: {len(fields)} fields, the header has {len(header)}")
    return [Record(f"line {number}", dict(zip(header, fields, strict=True))) for number, fields in lines[1:]]


def _known(name: str, special: set[str]) -> str:
    plain = name.strip()
    return plain.lower() if plain.lower() in special else plain


def _is_text(values: Iterable[Any]) -> bool:
    """Whether a column holds words alone: no value of it looks like a number, well written or not."""
    filled = [str(value).strip() for value in values if not _is_missing(value)]
    return bool(filled) and not any(re.match(r"[-+.,\d½]|nan|inf", value, re.IGNORECASE) for value in filled)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING)


def _numbers(fields: Mapping[str, Any], place: str) -> dict[str, float]:
    """The numbers that are there, by column."""
    read = {name: _number(value, f"{place}, column {name!r}") for name, value in fields.items()}
    return {name: number for name, number in read.items() if number is not None}


def _number(value: Any, where: str) -> float | None:
    if _is_missing(value):
        return None
    try:
        number = (
            float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
        )
    except (ValueError, OverflowError):
        number = None
    if number is None or not abs(number) < LARGEST:
        raise UnreadableError(
            f"{where}: {value!r} is not a usable number (leave the field empty if it is missing)"
        )
    return number
