"""Which images and texts make a pair: settings, choice by seed, and the set that comes out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import datasets

from mir_task.errors import MIRDataError
from mir_task.result import MIN_PAIRS

DEFAULT_NUM_PAIRS = 100

Image = TypeVar("Image")
Text = TypeVar("Text")


@dataclass(frozen=True)
class PairSettings:
    """How many pairs to choose, and by which seed."""

    num_pairs: int | None = None
    """None: 100, the paper's number, or all if there are fewer."""
    seed: int = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> PairSettings:
        """Read ``MIR_NUM_PAIRS`` and ``MIR_SEED``.

        Raises:
            MIRDataError: naming the variable that is no whole number or too small.
        """
        num_pairs = whole_number(environment, "MIR_NUM_PAIRS", minimum=MIN_PAIRS)
        return cls(num_pairs, whole_number(environment, "MIR_SEED", minimum=0) or 0)


@dataclass(frozen=True)
class PairSet:
    """Chosen pairs and where they came from.

    ``dataset`` has the columns ``pair_id``, ``image`` (a path or a decoded image) and ``text``.
    """

    dataset: datasets.Dataset
    source: dict[str, Any] = field(default_factory=dict)
    """Fields of :class:`mir_task.result.Protocol`: images, texts, paired, seed."""


def choose(names: Iterable[str], count: int, seed: int, what: str) -> list[str]:
    """``count`` of the names in an order that depends on seed and names only.

    Sorted by a hash rather than drawn from a random generator, so that the choice is the same on every
    machine and version and does not depend on the order in which a file system lists the names.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{what}/{name}".encode()).digest())[:count]


def join(
    images: Mapping[str, Image], texts: Mapping[str, Text], settings: PairSettings, paired: bool, what: str
) -> list[tuple[str, Image, Text]]:
    """(pair id, image, text) of the chosen pairs.

    Args:
        images: by name.
        texts: by name; if paired, by the same names.
        settings: how many, and by which seed.
        paired: keep each text with the image of its name instead of joining them at random.
        what: the data's name, for the error.

    Raises:
        MIRDataError: not enough for the number asked for, or for two pairs.
    """
    available = min(len(images), len(texts))
    count = settings.num_pairs or min(DEFAULT_NUM_PAIRS, available)
    if count > available or count < MIN_PAIRS:
        raise MIRDataError(
            f"{what} hold {len(images)} images and {len(texts)} texts, too few for "
            f"{max(count, MIN_PAIRS)} pairs; add some"
            + (" or lower MIR_NUM_PAIRS" if settings.num_pairs else "")
        )
    chosen_images = choose(images, count, settings.seed, "image")
    chosen_texts = chosen_images if paired else choose(texts, count, settings.seed, "text")
    return [
        (image if paired else f"{image}+{text}", images[image], texts[text])
        for image, text in zip(chosen_images, chosen_texts, strict=True)
    ]


def whole_number(environment: Mapping[str, str], name: str, minimum: int) -> int | None:
    """A setting that is a whole number; None if absent.

    Raises:
        MIRDataError: it is anything else, or smaller than the minimum.
    """
    value = environment.get(name, "").strip()
    if not value:
        return None
    if not value.isdecimal() or int(value) < minimum:
        raise MIRDataError(f"{name} must be a whole number of at least {minimum}, got {value!r}")
    return int(value)


def switch(environment: Mapping[str, str], name: str) -> bool:
    """Whether a setting is 1 or true; 0, false or absent is False.

    Raises:
        MIRDataError: it is anything else.
    """
    value = environment.get(name, "").strip().lower()
    if value not in ("", "0", "1", "true", "false"):
        raise MIRDataError(f"{name} must be 0 or 1, got {value!r}")
    return value in ("1", "true")


def pairs_dataset(pairs: Iterable[tuple[str, Path, str]]) -> datasets.Dataset:
    """(pair id, image file, text) as a dataset with the columns of :class:`PairSet`."""
    return datasets.Dataset.from_list(
        [{"pair_id": pair_id, "image": str(image), "text": text} for pair_id, image, text in pairs]
    )
