"""A folder that is written again and again without touching what is not ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from mir_task.report.files import PUBLISHED
from mir_task.report.records import MIRReportError, listing

Files = Mapping[str, str | bytes]
"""What is written, by path below the folder, with ``/`` between its parts."""


def write_folder(folder: Path, files: Files) -> list[Path]:
    """Write the files, and take away those of an earlier time that are none of them now.

    ``published.json`` lists what was written, with a hash, so that the next time tells our files from others.

    Returns:
        Files of an earlier time that were kept, since someone edited them.

    Raises:
        MIRReportError: a file that is not ours, or that someone edited, is in the way; nothing was written then.
        OSError: a file cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise MIRReportError(f"--publish {folder}: is a file; name a folder")
    content = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    ours = _written_before(folder)
    _refuse_in_the_way(folder, content, ours)
    kept = []
    for path in sorted(ours.keys() - content.keys()):
        old = folder / path
        if not old.is_file():
            continue
        if _hash(old.read_bytes()) != ours[path]:
            kept.append(old)
            continue
        old.unlink()
        _remove_empty(old.parent, folder)
    for path, data in content.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    manifest = {"written_by": "mir-report --publish", "files": {p: _hash(d) for p, d in content.items()}}
    (folder / PUBLISHED).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return kept


def _written_before(folder: Path) -> dict[str, str]:
    """Hashes of the files of an earlier time, by path."""
    manifest = folder / PUBLISHED
    if not manifest.exists():
        return {}
    try:
        files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        found = {str(path): str(digest) for path, digest in files.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise MIRReportError(
            f"--publish {folder}: {manifest} is not the list of files that mir-report left there; remove it, or "
            "name another folder"
        ) from error
    # A list that someone changed must not make us take away anything outside of the folder.
    return {path: digest for path, digest in found.items() if _is_inside(path)}


def _is_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and "\\" not in path


def _refuse_in_the_way(folder: Path, content: Mapping[str, bytes], ours: Mapping[str, str]) -> None:
    root = folder.resolve()
    foreign, edited = [], []
    manifest = folder / PUBLISHED
    if manifest.is_symlink():
        foreign.append(manifest)
    for path, data in content.items():
        target = folder / path
        if not target.resolve().is_relative_to(root) or target.is_symlink():
            foreign.append(target)
        elif any(
            (root / parent).exists() and not (root / parent).is_dir()
            for parent in PurePosixPath(path).parents
        ):
            foreign.append(target.parent)
        elif target.exists():
            digest = _hash(target.read_bytes()) if target.is_file() else ""
            if path not in ours and digest != _hash(data):
                foreign.append(target)
            elif path in ours and digest not in (ours[path], _hash(data)):
                edited.append(target)
    if foreign:
        raise MIRReportError(
            f"--publish {folder}: {listing(foreign)} {_is(foreign)} not mir-report's; move what is yours away, or "
            "name another folder. Nothing was written"
        )
    if edited:
        raise MIRReportError(
            f"--publish {folder}: {listing(edited)} {_is(edited)} edited since mir-report wrote them; move away what "
            "you want to keep, or name another folder. Nothing was written"
        )


def _is(files: list[Path]) -> str:
    return "is" if len(files) == 1 else "are"


def _remove_empty(parent: Path, folder: Path) -> None:
    while parent != folder and not any(parent.iterdir()):
        parent.rmdir()
        parent = parent.parent


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
