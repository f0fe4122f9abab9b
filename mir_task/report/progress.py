"""A progress bar for what lasts."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
PATIENCE = 2.0
"""Seconds that pass without a bar."""


def progress(items: Iterable[T], what: str, after: float = PATIENCE) -> Iterable[T]:
    """The same items, with a bar on standard error while they are gone through, and none that stays.

    Args:
        items: of known length, for a bar that shows how much is left.
        what: name of the bar.
        after: seconds without a bar.

    Returns:
        The items; there is no bar where standard error is no terminal.
    """
    shown: Iterable[T] = tqdm(
        items, desc=what, file=sys.stderr, disable=not sys.stderr.isatty(), delay=after, leave=False
    )
    return shown
