"""Reads .csv, .tsv and .json tables into records, each with the line that it stands on."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

from mir_task.report.files import UnreadableError, read_json, read_text

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class Record(NamedTuple):
    """One line of a table."""

    place: str
    """Where it stands in its file, for messages."""
    fields: dict[str, Any]


def read_records(path: Path) -> list[Record]:
    """The lines of a table with a header, or the objects of a JSON list.

    Raises:
        UnreadableError: naming the line.
    """
    if path.suffix.lower() == ".json":
        value = read_json(path)
        if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
            raise UnreadableError("a table in JSON is a list of objects, one a model, and this is none")
        return json_records(value)
    return _lines(read_text(path), "\t" if path.suffix.lower() == ".tsv" else ",", path.suffix.lower())


def json_records(value: list[dict[str, Any]]) -> list[Record]:
    """The records of a table in JSON."""
    return [Record(f"entry {number}", dict(fields)) for number, fields in enumerate(value, start=1)]


def _lines(text: str, separator: str, suffix: str) -> list[Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    lines, begun = [], 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                lines.append((reader.line_num, fields))
            begun = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableError(
            f"the line cannot be read: {error}",
            f"line {begun}",
            "close every quotation mark, and write one inside a cell twice",
        ) from error
    if not lines:
        raise UnreadableError("the file is empty")
    _check_header(*lines[0], separator, suffix)
    header = [name.strip() for name in lines[0][1]]
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            raise UnreadableError(
                f"{len(fields)} cells, where the header has {len(header)}",
                f"line {line}",
                "put a cell with a comma in it in quotation marks, and leave a missing cell empty"
                if separator == ","
                else "leave a missing cell empty",
            )
    if len(lines) == 1:
        raise UnreadableError("there is a header and no line of a model")
    return [Record(f"line {line}", dict(zip(header, fields, strict=True))) for line, fields in lines[1:]]


def _check_header(line: int, names: list[str], separator: str, suffix: str) -> None:
    """Refuse a header that another character separates, and names that are there twice."""
    if len(names) == 1:
        other = next((each for each in SEPARATORS if each != separator and each in names[0]), None)
        if other is not None:
            raise UnreadableError(
                f"the columns are separated by {SEPARATORS[other]}, and those of a {suffix} file by "
                f"{SEPARATORS[separator]}",
                f"line {line}",
                f"save it with {SEPARATORS[separator]}, and decimals with a point"
                + (", or call it .tsv" if other == "\t" else ", or call it .csv" if other == "," else ""),
            )
    header = [name.strip() for name in names]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise UnreadableError(
            f"the column {repeated[0]!r} is there twice", f"line {line}", "remove or rename one"
        )
