"""Ctrl-C and SIGTERM, put off until what was begun is in a state that can be kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Whether a signal has come to end the process."""

    def __init__(self) -> None:
        self._signal: int | None = None

    def __bool__(self) -> bool:
        return self._signal is not None

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal: the first is put off, a second ends the process at once."""
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal = number

    def end(self) -> None:
        """End the process as the signal would have, if one has come.

        Raises:
            KeyboardInterrupt: it was Ctrl-C.
            SystemExit: another one.
        """
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self._signal is not None:
            raise SystemExit(128 + self._signal)


@contextmanager
def signals_put_off() -> Iterator[Interrupt]:
    """Note signals inside the block instead of acting on them; no more than that outside the main thread."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.signal(number, interrupt.note) for number in SIGNALS}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
