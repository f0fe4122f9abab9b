"""Stages that are done once: a folder appears when it is complete, and a stage whose folder is there is skipped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout
from loguru import logger


def once(folder: Path, make: Callable[[Path], object], timeout: float = -1) -> Path:
    """The folder, made if it is not there yet.

    ``make`` fills a folder beside it, which gets its name when all is written, so that an interrupted stage is
    begun again. Processes that want the same folder wait for the first of them.

    Args:
        folder: result of the stage.
        make: writes the result into the folder that it is given, whose last name is the same.
        timeout: seconds to wait while another process makes the folder; -1: as long as it takes.

    Raises:
        filelock.Timeout: another process is still making the folder.
    """
    if folder.exists():
        logger.info(f"{folder} is there: skipped")
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with lock_of(folder).acquire(timeout=timeout):
        if not folder.exists():
            unfinished = folder.parent / ".part" / folder.name
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            make(unfinished)
            unfinished.rename(folder)
    return folder


def share(stages: Mapping[Path, Callable[[Path], object]]) -> None:
    """Make folders that do not need each other; a process takes those that no other makes, then waits for the rest."""
    for folder, make in stages.items():
        with suppress(Timeout):
            once(folder, make, timeout=0)
    for folder, make in stages.items():
        once(folder, make)


def lock_of(path: Path) -> FileLock:
    """A lock that other processes see, released when its process ends."""
    locks = path.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{path.name}.lock")
