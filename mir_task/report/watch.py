"""Renders a report again whenever the files that it is made of change, until Ctrl-C."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from mir_task.report.atomic import replace_text
from mir_task.report.files import may_be_read
from mir_task.report.page import without_reload

RELOAD_SECONDS = 30
"""Between two reloads of an open page; a reader in the middle of it should not be disturbed more often."""
MOST_NAMED = 3
"""Files that a line names."""
NO_FILES = "no result files and no trainer_state.json there yet; waiting"

Snapshot: TypeAlias = dict[Path, tuple[int, int]]
"""Modification time in nanoseconds and size in bytes of each file."""


def watch(
    paths: Iterable[Path],
    render: Callable[[], str],
    *,
    seconds: float,
    without: Iterable[Path] = (),
    say: Callable[[str], None] = lambda line: print(line, flush=True),
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Render at first and after every change, and say in one line what is new and what came of it.

    A rendering that fails is said and waits for the next change: a file may be read while it is being written.

    Args:
        paths: files and folders to look at; they need not exist yet.
        render: makes the report; what it returns is said.
        seconds: between two looks.
        without: folders that are not looked at: the report's own.
        say: takes each line.
        pause: waits; an interrupt from the keyboard ends the watch.
    """
    paths, without = list(paths), list(without)
    seen: Snapshot | None = None
    try:
        while True:
            # Taken before the rendering: what changes during it is seen at the next look.
            now = snapshot(paths, without)
            if now != seen:
                say(f"{time.strftime('%H:%M:%S')} {_said_of(render, now, seen or {})}")
                seen = now
            pause(seconds)
    except KeyboardInterrupt:
        say(f"{time.strftime('%H:%M:%S')} watch ended")


def end_reloads(page: Path) -> None:
    """Write the page anew without the line by which an open page reloads itself."""
    replace_text(page, without_reload(page.read_text(encoding="utf-8")))


def _said_of(render: Callable[[], str], now: Snapshot, before: Snapshot) -> str:
    if not now:
        return NO_FILES
    new = news(before, now)
    try:
        return f"{new}: {render()}"
    except Exception as error:  # whatever a file of today did, that of tomorrow may be whole
        kind = "" if str(error) else type(error).__name__
        return f"{new}: not rendered: {error}{kind}; waiting for the next change"


def snapshot(paths: Iterable[Path], without: Iterable[Path] = ()) -> Snapshot:
    """Every file that a report may be made of, at or below the paths; those that vanish meanwhile are left out."""
    barred = {path.resolve() for path in without}
    found: Snapshot = {}
    for path in paths:
        files = [path] if not path.is_dir() else _below(path, barred)
        for file in files:
            try:
                state = file.stat()
            except OSError:
                continue
            found[file] = (state.st_mtime_ns, state.st_size)
    return found


def _below(folder: Path, barred: set[Path]) -> Iterable[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if (Path(place) / name).resolve() not in barred]
        if Path(place).resolve() in barred:
            continue
        for name in names:
            if may_be_read(Path(name)):
                yield Path(place) / name


def news(before: Mapping[Path, tuple[int, int]], now: Mapping[Path, tuple[int, int]]) -> str:
    """``2 files new (a.json, b.json), one changed (c.json)``."""
    kinds = {
        "new": [path for path in now if path not in before],
        "changed": [path for path in now if path in before and before[path] != now[path]],
        "gone": [path for path in before if path not in now],
    }
    return ", ".join(f"{len(files)} {kind} ({_names(files)})" for kind, files in kinds.items() if files)


def _names(files: list[Path]) -> str:
    newest_last = sorted(files, key=lambda path: (len(path.parent.name), path))
    shown = [f"{path.parent.name}/{path.name}" for path in newest_last[-MOST_NAMED:]]
    return ", ".join([*(["…"] if len(files) > MOST_NAMED else []), *shown])
