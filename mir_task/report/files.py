"""Finds candidate files and reads JSON so that an error names file and line."""

from __future__ import annotations

import codecs
import difflib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loguru import logger

from mir_task.report.records import MIRReportError, Skipped

TABLE_SUFFIXES = (".csv", ".tsv")
OWN_OUTPUTS = ("leaderboard.csv", "regression.json", "layers.csv")
"""Files that an earlier report left; they repeat what other files say."""
ZIP = b"PK\x03\x04"
"""First bytes of a zip archive, which a spreadsheet is."""
ANEW = "write the file anew, or remove it"
OF_MODELS = (
    *("config.json", "generation_config.json", "adapter_config.json", "model.safetensors.index.json"),
    *(
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
    ),
    *(
        "preprocessor_config.json",
        "processor_config.json",
        "video_preprocessor_config.json",
        "chat_template.json",
    ),
)
"""Files that lie in every folder of a transformers model: never results, and alike in all checkpoints."""
PUBLISHED = "published.json"
"""List of what ``--publish`` wrote, in the folder that it wrote to."""


class UnreadableError(ValueError):
    """A file that cannot be read; the message is the reason.

    Args:
        reason: what is wrong.
        place: line and column of it, where they are known.
        remedy: what to do.
    """

    def __init__(self, reason: str, place: str = "", remedy: str = "") -> None:
        super().__init__(reason)
        self.place = place
        self.remedy = remedy

    def of(self, source: str) -> Skipped:
        """The file that could not be used."""
        return Skipped(source, str(self), self.place, self.remedy)


def may_be_read(file: Path) -> bool:
    """Whether a file found in a folder may hold results, by its name."""
    return file.suffix.lower() in (".json", *TABLE_SUFFIXES) and file.name not in OF_MODELS


def candidates(paths: Iterable[Path]) -> dict[str, Path]:
    """Every .json, .csv and .tsv file at or below the paths, in the order of their names; a copy of one counts once.

    Returns:
        The files, by a hash of what each holds.

    Raises:
        MIRReportError: a path does not exist.
    """
    seen: set[Path] = set()
    first_of: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise MIRReportError(f"there is no file or folder {path}{_near(path)}")
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in found:
            # A file that the user names is read whatever it is called.
            wanted = file == path or (may_be_read(file) and not _is_own_output(file))
            if not wanted or not file.is_file() or file.resolve() in seen:
                continue
            seen.add(file.resolve())
            original = first_of.setdefault(_content_hash(file), file)
            if original is not file:
                logger.warning(f"{file} is a copy of {original}, and counted once")
    return first_of


def _near(path: Path) -> str:
    """Files beside whose names look like that of a path that does not exist."""
    try:
        beside = [file.name for file in path.parent.iterdir()]
    except OSError:
        return ""
    hits = difflib.get_close_matches(path.name, beside)
    return f"; near matches: {', '.join(str(path.parent / name) for name in hits)}" if hits else ""


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
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"the file cannot be opened: {error.strerror or error}") from error
    if data.startswith(ZIP):
        raise UnreadableError(
            "the file is a spreadsheet or another archive", remedy="export it as .csv, in UTF-8"
        )
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableError("the file is UTF-16 text", remedy="save it in UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableError(
            "the file is not UTF-8 text", f"line {line}, byte {error.start}", "save it in UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UnreadableError("the file is damaged or no text: it holds a zero byte", f"line {line}", ANEW)
    return text


def read_json(path: Path) -> Any:
    """The file's JSON value.

    Raises:
        UnreadableError: naming the line.
    """
    text = read_text(path)
    if not text.strip():
        raise UnreadableError("the file is empty")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        known = path.suffix.lower() in (".json", *TABLE_SUFFIXES)
        raise UnreadableError(
            f"the file is not JSON: {error.msg}",
            f"line {error.lineno}, column {error.colno}",
            ANEW if known else "call a table .csv or .tsv, by what separates its columns",
        ) from error
    except RecursionError as error:
        raise UnreadableError("the file is JSON nested too deeply to be a result", remedy=ANEW) from error
    except ValueError as error:  # a number of thousands of digits
        raise UnreadableError(f"the file is not usable JSON: {error}", remedy=ANEW) from error
