"""Finds the error that a model's own code caught and kept to itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

DEPTH = 8
"""Calls below the ``with`` block that are watched: a class's method, the model's own ``chat``, what they call."""

NO_CAUSES = (StopIteration, StopAsyncIteration, UnboundLocalError)
"""What iterators end by; and what follows a caught error, where a variable was to be set."""


class Swallowed:
    """The error that came up farthest among those raised inside the block; of several that came as far, the last."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._depth = DEPTH + 1

    def raised(self, error: BaseException | None, depth: int) -> None:
        """Note an error that passes through, or is raised in, a call of this depth."""
        if isinstance(error, Exception) and not isinstance(error, NO_CAUSES) and depth <= self._depth:
            self.error, self._depth = error, depth


class _Trace:
    """Python's trace function of one call; ``depth`` 0 is the block's own, which makes those of the calls in it."""

    __slots__ = ("depth", "found")

    def __init__(self, found: Swallowed, depth: int) -> None:
        self.found, self.depth = found, depth

    def __call__(self, _frame: FrameType, event: str, argument: Any) -> _Trace:
        if event == "exception":
            self.found.raised(argument[1], self.depth)
        return self

    def begin(self, outside: FrameType) -> None:
        """Watch the calls that ``outside`` makes, from now on."""

        def called(frame: FrameType, _event: str, _argument: Any) -> _Trace | None:
            above = frame.f_back
            trace = self if above is outside else above.f_trace if above is not None else None
            if type(trace) is not _Trace or trace.depth == DEPTH:
                return None  # soon said, since it is asked for each call of the forward pass
            frame.f_trace_lines = False
            return _Trace(self.found, trace.depth + 1)

        sys.settrace(called)


@contextmanager
def swallowed_errors() -> Iterator[Swallowed]:
    """Watch for errors raised inside the block, also those that are caught there.

    Errors come by as trace events of the calls next to the block. A debugger that is at work keeps them to itself:
    nothing is found then.
    """
    found = Swallowed()
    if sys.gettrace() is not None:
        yield found
        return
    # This frame and contextlib's stand between here and the block.
    _Trace(found, 0).begin(sys._getframe(2))
    try:
        yield found
    except BaseException:
        found.error = None  # it holds frames, and these the tensors of the pass
        raise
    finally:
        sys.settrace(None)


def place_of(error: BaseException) -> str:
    """File and line in which an error was raised, for messages; empty where it does not tell."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})"
