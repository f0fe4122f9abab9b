"""Choice of pairs: which images and which texts, and which text goes with which image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mir_task.data.arguments import Argument, ArgumentError, check_whole_number
from mir_task.result import MIN_PAIRS

DEFAULT_COUNT = 100
"""The paper's number of pairs."""

Image = TypeVar("Image")
Text = TypeVar("Text")


@dataclass(frozen=True)
class Choice:
    """How many pairs to choose, and by which seed.

    Args:
        count: None: 100, or all if there are fewer.
        seed: any whole number from 0.

    Raises:
        ArgumentError: fewer than two pairs, or no whole number.
    """

    count: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count is not None:
            check_whole_number(self.count, Argument.COUNT, minimum=MIN_PAIRS)
        check_whole_number(self.seed, Argument.SEED, minimum=0)


def choose(names: Iterable[str], count: int, seed: int, what: str) -> list[str]:
    """``count`` of the names in an order that depends on seed and names only.

    Sorted by a hash rather than drawn from a random generator, so that the choice is the same on every
    machine and version and does not depend on the order in which a file system lists the names.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{what}/{name}".encode()).digest())[:count]


def join(
    images: Mapping[str, Image],
    texts: Mapping[str, Text],
    choice: Choice,
    *,
    paired: bool,
    what: tuple[str | Argument, ...],
) -> list[tuple[str, Image, Text]]:
    """(pair id, image, text) of the chosen pairs.

    Args:
        images: by name.
        texts: by name; if paired, by the same names.
        choice: how many, and by which seed.
        paired: keep each text with the image of its name instead of joining them at random.
        what: name of the data, as parts of an error's message.

    Raises:
        ArgumentError: not enough for the number asked for, or for two pairs.
    """
    available = min(len(images), len(texts))
    count = min(DEFAULT_COUNT, available) if choice.count is None else choice.count
    if count > available or count < MIN_PAIRS:
        raise ArgumentError(
            *what,
            f" hold {len(images)} images and {len(texts)} texts, too few for {max(count, MIN_PAIRS)} pairs; add some",
            *(() if choice.count is None else (" or lower ", Argument.COUNT)),
        )
    chosen_images = choose(images, count, choice.seed, "image")
    chosen_texts = chosen_images if paired else choose(texts, count, choice.seed, "text")
    return [
        (image if paired else f"{image}+{text}", images[image], texts[text])
        for image, text in zip(chosen_images, chosen_texts, strict=True)
    ]
