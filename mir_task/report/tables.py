"""Tables of models: a ``model`` column, and any of MIR, scores, averages, baselines and scale."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mir_task.report.files import UnreadableError, read_json, read_text
from mir_task.report.records import Row, Run

MIR_COLUMNS = ("mir", "mir_se", "pairs")
TEXT_COLUMNS = ("model", "group", "average_over", "source", "note", "task")
SCALES = {
    "step": "training step",
    "samples": "training samples",
    "tokens": "training tokens",
    "epoch": "epoch",
}
"""Columns that say how far a checkpoint was trained."""
BASELINES = {
    "loss": "lower",
    "final_loss": "lower",
    "train_loss": "lower",
    "training_loss": "lower",
    "perplexity": "lower",
    "ppl": "lower",
    "caption_ppl": "lower",
    "in_context": "higher",
    "in_context_score": "higher",
    "icl_score": "higher",
}
"""Columns known for what they are: measures that one could use in the place of MIR, and which end is better."""
LARGEST = 1e100
"""Numbers beyond are damage, and would overflow in sums of squares."""
MISSING = ("", "-", "\u2013", "\u2014", "na", "n/a", "nan", "null", "none")


def read_table(path: Path, baselines: Mapping[str, str]) -> tuple[list[Run], list[Row], list[str]]:
    """The runs and rows of a table, and the sources that it cites.

    Args:
        path: a .csv or .tsv file with a header, or a .json list of objects.
        baselines: names of columns that are no benchmarks, besides those known.

    Raises:
        UnreadableError: naming line and column.
    """
    return table_of(_records(path), str(path), baselines)


def table_of(
    records: list[tuple[str, dict[str, Any]]], source: str, baselines: Mapping[str, str]
) -> tuple[list[Run], list[Row], list[str]]:
    """Like :func:`read_table`, of (where, record) that are read already."""
    runs, rows, citations = [], [], []
    # "MME" and "mme" stay different names; the few names that mean something here are known in any case.
    special = {*MIR_COLUMNS, *TEXT_COLUMNS, *SCALES, *BASELINES, "average"}
    for where, record in records:
        fields = {_known(name, special): value for name, value in record.items()}
        model = str(fields.get("model") or "").strip()
        if not model:
            raise UnreadableError(f"{where}: no value in the column 'model'")
        group = str(fields.get("group") or "").strip() or None
        numbers = {
            name: _number(value, f"{where}, column {name!r}")
            for name, value in fields.items()
            if name not in TEXT_COLUMNS
        }
        present = {name: value for name, value in numbers.items() if value is not None}
        extras = {name: value for name, value in present.items() if name in {*SCALES, *BASELINES, *baselines}}
        scores = {
            name: value
            for name, value in present.items()
            if name not in extras and name not in (*MIR_COLUMNS, "average")
        }
        if (mir := present.get("mir")) is not None:
            pairs = present.get("pairs")
            error = present.get("mir_se")
            if error is not None and error < 0:
                raise UnreadableError(f"{where}: mir_se is negative ({error})")
            runs.append(
                Run(
                    model,
                    mir,
                    source,
                    group,
                    error,
                    int(pairs) if pairs is not None else None,
                    str(fields.get("task") or "").strip() or None,
                    extras=extras,
                )
            )
        average = present.get("average")
        over = tuple(
            name.strip() for name in str(fields.get("average_over") or "").split(";") if name.strip()
        )
        if scores or average is not None or (extras and mir is None):
            rows.append(Row(model, source, group, scores, average, over, extras))
        citation = str(fields.get("source") or "").strip()
        if citation and citation not in citations:
            citations.append(citation)
    return runs, rows, citations


def is_table(value: Any) -> bool:
    """Whether a JSON value is a list of objects that name models."""
    return (
        isinstance(value, list) and bool(value) and all(isinstance(v, dict) and "model" in v for v in value)
    )


def json_records(value: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """A JSON table's records, each with the words that name it in errors."""
    return [(f"entry {number}", dict(record)) for number, record in enumerate(value, start=1)]


def read_columns(path: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
    """A table of text, such as a mapping.

    Raises:
        UnreadableError: a column is missing.
    """
    records = [record for _, record in _records(path)]
    for number, record in enumerate(records, start=1):
        missing = [name for name in required if not str(record.get(name) or "").strip()]
        if missing:
            raise UnreadableError(
                f"entry {number}: no {' and no '.join(missing)}; the columns needed are {', '.join(required)}"
            )
    return [{name: str(value or "").strip() for name, value in record.items()} for record in records]


def _records(path: Path) -> list[tuple[str, dict[str, Any]]]:
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
    return [(f"line {number}", dict(zip(header, fields, strict=True))) for number, fields in lines[1:]]


def _known(name: str, special: set[str]) -> str:
    plain = name.strip()
    return plain.lower() if plain.lower() in special else plain


def _number(value: Any, where: str) -> float | None:
    if value is None or (isinstance(value, str) and value.strip().lower() in MISSING):
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
