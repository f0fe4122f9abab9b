"""Clears away what an lmms-eval model leaves behind when its ``generate_until`` is ended before its own clean-up."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image


@contextmanager
def no_files_left() -> Iterator[None]:
    """Remove the picture files that are newly saved inside the block, as classes do whose models read paths.

    A file that was there before is not removed.
    """
    saved: set[Path] = set()
    save = Image.Image.save

    def noting(image: Image.Image, fp: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(fp, str | os.PathLike) and not Path(fp).exists():
            saved.add(Path(fp).absolute())
        save(image, fp, *args, **kwargs)

    Image.Image.save = noting  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Image.Image.save = save  # type: ignore[method-assign]
        for path in saved:
            path.unlink(missing_ok=True)


@contextmanager
def same_state(lm: Any) -> Iterator[None]:
    """Give an object's own dictionaries, lists and sets the entries again that they have now."""
    before = {name: copy.copy(value) for name, value in vars(lm).items() if type(value) in (dict, list, set)}
    try:
        yield
    finally:
        for name, entries in before.items():
            container = vars(lm).get(name)
            if type(container) is not type(entries) or container == entries:
                continue
            if isinstance(container, list):
                container[:] = entries
            else:
                container.clear()
                container.update(entries)
