"""Arguments that say which pairs to take: what messages call them, and the error that names them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from numbers import Integral
from typing import Any

from mir_task.errors import MIRDataError


class Argument(Enum):
    """An argument of a function that chooses pairs; the value is what a message calls it."""

    IMAGES = "images"
    TEXTS = "texts"
    PAIRED = "paired=True"
    NOT_PAIRED = "set paired=False"
    COUNT = "count"
    SEED = "seed"
    CLIP = "clip"
    LEVELS = "levels"


class ArgumentError(MIRDataError):
    """An argument by which no pairs can be chosen.

    Args:
        parts: of the message: text, and the arguments that it names.
    """

    def __init__(self, *parts: str | Argument) -> None:
        super().__init__(*parts)

    def __str__(self) -> str:
        return self.worded({})

    def worded(self, names: Mapping[Argument, str]) -> str:
        """The message for someone who set the arguments under other names.

        Args:
            names: what to call an argument; its own name where there is none.
        """
        return "".join(part if isinstance(part, str) else names.get(part, part.value) for part in self.args)


def check_whole_number(value: Any, argument: Argument, minimum: int) -> None:
    """Refuse anything but a whole number that is large enough.

    Raises:
        ArgumentError: saying what it was.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < minimum:
        raise ArgumentError(argument, f" must be a whole number of at least {minimum}, got {value!r}")
