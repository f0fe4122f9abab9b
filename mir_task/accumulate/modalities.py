"""The same thing of both modalities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")


@dataclass(frozen=True)
class Modalities(Generic[T_co]):
    """A thing of the vision rows and the same thing of the text rows, usually of one layer."""

    vision: T_co
    text: T_co

    def __iter__(self) -> Iterator[T_co]:
        yield self.vision
        yield self.text

    def named(self) -> Iterator[tuple[str, T_co]]:
        """Name and thing: ``vision``, then ``text``."""
        yield "vision", self.vision
        yield "text", self.text

    def map(self, function: Callable[[T_co], U]) -> Modalities[U]:
        """What a function makes of each."""
        return Modalities(function(self.vision), function(self.text))
