"""The errors a user can cause and mend; each message names what was wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class MIRError(ValueError):
    """Base of every error that this package raises on purpose."""


class MIRDataError(MIRError):
    """Images, texts or features that no MIR can be computed from."""


class MIRModelError(MIRError):
    """A model or processor that MIR cannot be measured on."""


class OtherProcessError(MIRError):
    """Another process of the run failed, by an error that this package does not raise on purpose."""


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Put a name before the message of any :class:`MIRError` that leaves the block.

    A message that begins with the name's first word names one already and stays as it is, and so does that of another
    process, which works on something else.

    Args:
        name: what the block works on, such as ``pair 17``.
    """
    try:
        yield
    except MIRError as error:
        message = str(error)
        if isinstance(error, OtherProcessError) or message.startswith(name.split()[0] + " "):
            raise
        raise type(error)(f"{name}: {message}") from error
