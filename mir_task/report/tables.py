"""Tables of models: a ``model`` column, and any of MIR, scores, averages, baselines and scale."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mir_task.report.cells import is_missing, text
from mir_task.report.columns import AVERAGE, BASELINES, MIR_COLUMNS, PROGRESS, TEXT_COLUMNS
from mir_task.report.delimited import Record, read_records
from mir_task.report.files import TABLE_SUFFIXES, UnreadableError
from mir_task.report.meaning import Columns
from mir_task.report.records import Row, Run, listing


@dataclass(frozen=True)
class Table:
    """What a table says."""

    runs: list[Run]
    rows: list[Row]
    citations: list[str]
    """Sources that it names, each once."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Columns that are not taken for scores, and why."""
    recipes: dict[str, str] = field(default_factory=dict)
    """By model, the recipe that it was trained by."""


def read_table(path: Path, baselines: Iterable[str], ignored: Collection[str] = ()) -> Table:
    """Read a table of models.

    Args:
        path: a .csv or .tsv file with a header, or a .json list of objects.
        baselines: names of columns that are no benchmarks, besides those known.
        ignored: names of columns that are not read at all.

    Raises:
        UnreadableError: naming line and column.
    """
    return table_of(read_records(path), str(path), baselines, ignored)


def table_of(
    records: Sequence[Record], source: str, baselines: Iterable[str], ignored: Collection[str] = ()
) -> Table:
    """Make a table of records that are read already; arguments and errors as for :func:`read_table`."""
    table = Table([], [], [])
    columns = Columns(records, {*PROGRESS, *BASELINES, *baselines}, ignored)
    table.left_out.update(columns.left_out)
    for place, given in records:
        fields = {columns.meaning[name]: value for name, value in given.items()}
        texts = {name: text(fields.get(name)) for name in TEXT_COLUMNS}
        if not texts["model"]:
            raise UnreadableError(
                "the line names no model", f"{place}, column 'model'", "name it, or remove the line"
            )
        present = columns.numbers(fields, place)
        numbers = {MIR_COLUMNS[name]: number for name, number in present.items() if name in MIR_COLUMNS}
        extras = {name: number for name, number in present.items() if name in columns.extras}
        scores = {name: number for name, number in present.items() if name in columns.scores}
        errors = {
            of: present[name]
            for of, name in columns.errors.items()
            if name in present and (of in scores or (of == AVERAGE and AVERAGE in present))
        }
        model, group = texts["model"], texts["group"] or None
        if "mir" in numbers:
            run = Run(model, numbers, source, group, texts["task"] or None, extras=extras, place=place)
            table.runs.append(run)
        if scores or AVERAGE in present or (extras and "mir" not in numbers):
            over = tuple(name.strip() for name in texts["average_over"].split(";") if name.strip())
            table.rows.append(
                Row(
                    model,
                    source,
                    group,
                    scores,
                    present.get(AVERAGE),
                    over,
                    extras,
                    errors,
                    place=place,
                    replicate=columns.replicate(fields),
                )
            )
        if texts["recipe"] and table.recipes.setdefault(model, texts["recipe"]) != texts["recipe"]:
            raise UnreadableError(
                f"{model!r} is of the recipe {table.recipes[model]!r} on another line, and of {texts['recipe']!r} here",
                f"{place}, column 'recipe'",
                "a model has one recipe",
            )
        if texts["source"] and texts["source"] not in table.citations:
            table.citations.append(texts["source"])
    return table


def is_table(value: Any) -> bool:
    """Whether a JSON value is a list of objects that name models."""
    return (
        isinstance(value, list) and bool(value) and all(isinstance(v, dict) and "model" in v for v in value)
    )


def read_columns(path: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
    """A table of text, such as a mapping.

    Raises:
        UnreadableError: a column is missing.
    """
    records = read_records(path)
    names = list(dict.fromkeys(name for record in records for name in record.fields))
    absent = [name for name in required if name not in names]
    if absent:
        raise UnreadableError(
            f"no column {' and no column '.join(map(repr, absent))}; the columns are {listing(map(repr, names))}",
            "line 1" if path.suffix.lower() in TABLE_SUFFIXES else "",
            f"it needs the columns {' and '.join(required)}",
        )
    for place, fields in records:
        for name in required:
            if is_missing(fields.get(name)):
                raise UnreadableError(
                    "a cell is empty", f"{place}, column {name!r}", "fill it, or remove the line"
                )
    return [{name: text(value) for name, value in record.fields.items()} for record in records]
