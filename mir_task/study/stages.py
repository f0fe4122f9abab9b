"""Stages that are done once: a folder appears when it is complete, and a stage whose folder is there is skipped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from loguru import logger


def once(folder: Path, make: Callable[[Path], object]) -> Path:
    """The folder, made if it is not there yet.

    ``make`` fills a folder beside it, which gets its name when all is written, so that an interrupted stage is
    begun again. Processes that want the same folder wait for the first of them.

    Args:
        folder: what the stage leaves.
        make: writes it into the folder that it is given, whose last name is the same.
    """
    if folder.exists():
        logger.info(f"{folder} is there: skipped")
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with lock_of(folder):
        if not folder.exists():
            part = folder.parent / ".part" / folder.name
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            make(part)
            part.rename(folder)
    return folder


def lock_of(path: Path) -> FileLock:
    """A lock that other processes see, released when its process ends."""
    locks = path.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{path.name}.lock")
