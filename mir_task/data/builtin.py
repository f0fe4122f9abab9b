"""The pairs that come with the package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from mir_task.data.choice import PairSet, PairSettings, join, pairs_dataset
from mir_task.data.files import read_images, read_texts

BUILTIN_FOLDER = Path(str(resources.files("mir_task") / "builtin"))


def builtin_pairs(environment: Mapping[str, str] = os.environ) -> PairSet:
    """The pairs shipped with the package: rendered scenes and original prose, unrelated to each other."""
    settings = PairSettings.from_environment(environment)
    images = read_images(BUILTIN_FOLDER / "images")
    pairs = join(
        images, read_texts(BUILTIN_FOLDER / "texts"), settings, paired=False, what="the built-in data"
    )
    source = "mir_task.builtin"
    return PairSet(
        pairs_dataset(pairs), {"images": source, "texts": source, "paired": False, "seed": settings.seed}
    )


def builtin_texts() -> list[str]:
    """The built-in passages, in the order of their names."""
    return list(read_texts(BUILTIN_FOLDER / "texts").values())
