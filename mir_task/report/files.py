"""Finds candidate files and reads JSON so that an error names file and line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from loguru import logger

from mir_task.report.records import MIRReportError

TABLE_SUFFIXES = (".csv", ".tsv")
OWN_OUTPUTS = ("leaderboard.csv", "regression.json", "layers.csv")
"""Files that an earlier report left; they repeat what other files say."""


PUBLISHED = "published.json"
"""List of what ``--publish`` wrote, in the folder that it wrote to."""


class UnreadableError(ValueError):
    """A file that cannot be read; the message is the reason, with the line where there is one."""


def candidates(paths: Iterable[Path]) -> Iterator[Path]:
    """Every .json, .csv and .tsv file at or below the paths, in the order of their names; a copy of one counts once.

    Raises:
        MIRReportError: a path does not exist.
    """
    seen: set[Path] = set()
    first_of: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise MIRReportError(f"{path} does not exist")
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in found:
            # A file that the user names is read whatever it is called.
            wanted = file == path or (
                file.suffix.lower() in (".json", *TABLE_SUFFIXES) and not _is_own_output(file)
            )
            if not wanted or not file.is_file() or file.resolve() in seen:
                continue
            seen.add(file.resolve())
            original = first_of.setdefault(_content_hash(file), file)
            if original is file:
                yield file
            else:
                logger.warning(f"{file} is a copy of {original}, and counted once")


def _content_hash(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:  # reading it again will say why
        return str(file)


def _is_own_output(file: Path) -> bool:
    return (
        (file.name in OWN_OUTPUTS and (file.parent / "report.html").exists())
        or file.name == PUBLISHED
        or (file.parent.parent / PUBLISHED).exists()
    )


def read_text(path: Path) -> str:
    """The file's text.

    Raises:
        UnreadableError: it cannot be opened or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise UnreadableError(f"cannot be opened: {error.strerror or error}") from error


def read_json(path: Path) -> Any:
    """The file's JSON value.

    Raises:
        UnreadableError: naming the line.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(
            f"line {error.lineno}: is not JSON: {error.msg} (column {error.colno})"
        ) from error
    except RecursionError as error:
        raise UnreadableError("is JSON nested too deeply to be a result") from error
    except ValueError as error:  # a number of thousands of digits
        raise UnreadableError(f"is not usable JSON: {error}") from error
