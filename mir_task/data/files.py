"""Reading folders of images and texts by name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from mir_task.data.arguments import Argument, ArgumentError
from mir_task.errors import MIRDataError, naming
from mir_task.limits import MAX_TEXT_BYTES, check_characters, endings_here


def read_images(folder: Path) -> dict[str, Path]:
    """Images below a folder, by name (relative path without its ending): files of :data:`mir_task.limits.FORMATS`.

    What is no regular file is listed too, for :func:`mir_task.data.open_image` to refuse it.

    Raises:
        MIRDataError: it is no folder, has no images, or two of one name.
    """
    if not folder.is_dir():
        raise ArgumentError(Argument.IMAGES, f": {folder} is not a folder")
    endings = endings_here()
    files = [path for path in folder.rglob("*") if path.suffix.lower() in endings and not path.is_dir()]
    if not files:
        raise ArgumentError(Argument.IMAGES, f": no images in {folder}")
    return _by_name(files, folder)


def read_texts(source: Path) -> dict[str, str]:
    """Texts by name: of a folder's .txt files (relative path without ending), or of a .jsonl's ``id``.

    Raises:
        MIRDataError: naming file and line: unreadable, no regular file, empty, too large, no JSON, with halves of
            characters, or two of one name.
    """
    if source.is_dir():
        files = _by_name((path for path in source.rglob("*.txt") if not path.is_dir()), source)
        texts = {name: _read(path) for name, path in files.items()}
    elif source.suffix == ".jsonl":
        texts = _jsonl(source)
    else:
        raise ArgumentError(Argument.TEXTS, f": {source} is neither a folder of .txt files nor a .jsonl file")
    if not texts:
        raise ArgumentError(Argument.TEXTS, f": no texts in {source}")
    return texts


def _jsonl(path: Path) -> dict[str, str]:
    texts = {}
    # Not splitlines: a text may hold separators such as U+2028, which JSON does not escape.
    for number, line in enumerate(_read(path, "a .jsonl file").split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            record = json.loads(line.strip())  # NEL and U+2028 may end a line, too
        except (ValueError, RecursionError) as error:  # no JSON, a number of too many digits, too deep
            raise ArgumentError(Argument.TEXTS, f": {where} is not JSON: {error}") from error
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            raise ArgumentError(Argument.TEXTS, f": {where} has no 'text' field of type string")
        name = str(record.get("id", number))
        with naming(f"{where}: the id"):
            check_characters(name)
        if name in texts:
            raise ArgumentError(Argument.TEXTS, f": {where} repeats the id {name!r}")
        texts[name] = check_text(record["text"], where)
    return texts


def _by_name(files: Iterable[Path], folder: Path) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in sorted(files):
        with naming(f"the name of the file {str(path)!r}"):
            check_characters(str(path))
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in named:
            raise MIRDataError(f"{named[name]} and {path} have the same name; rename one")
        named[name] = path
    return named


def _read(path: Path, what: str = "a text") -> str:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, a device never ends
            raise MIRDataError(f"cannot read {path} as {what}: it is a device or a pipe, and no file")
        if path.suffix == ".txt" and path.stat().st_size > MAX_TEXT_BYTES:
            raise MIRDataError(
                f"{path} has more than {MAX_TEXT_BYTES // 2**20} MiB, too much for the text of a pair"
            )
        return check_text(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise MIRDataError(f"cannot read {path} as {what} in UTF-8: {error}") from error


def check_text(text: str, where: str) -> str:
    """The text without white space around it.

    Raises:
        MIRDataError: nothing is left, or it holds halves of characters; ``where`` names the file or line.
    """
    with naming(where):
        check_characters(text)
    if not text.strip():
        raise MIRDataError(f"the text is empty: {where}")
    return text.strip()
