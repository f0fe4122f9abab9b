"""The pairs that come with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from mir_task.data.choice import Choice, join
from mir_task.data.files import read_images, read_texts
from mir_task.data.pair_set import PairSet

BUILTIN = "mir_task.builtin"
"""Origin of images and texts in the protocol of a result."""
BUILTIN_FOLDER = Path(str(resources.files("mir_task") / "builtin"))


def builtin_pairs(count: int | None = None, seed: int = 0) -> PairSet:
    """The pairs shipped with the package: rendered scenes and original prose, unrelated to each other.

    Args:
        count: how many, 2 to 100; default: all 100.
        seed: of the choice; the same seed gives the same pairs on every machine.

    Raises:
        MIRDataError: naming the argument.

    Example:
        >>> from mir_task.data import builtin_pairs
        >>> pairs = builtin_pairs(count=20)
        >>> len(pairs), pairs[0].id, pairs[0].image.size
        (20, 'image_058+text_098', (586, 440))
    """
    pairs = join(
        read_images(BUILTIN_FOLDER / "images"),
        read_texts(BUILTIN_FOLDER / "texts"),
        Choice(count, seed),
        paired=False,
        what=("the built-in data",),
    )
    return PairSet.of_files(pairs, images=BUILTIN, texts=BUILTIN, paired=False, seed=seed)


def builtin_texts() -> list[str]:
    """The built-in passages, in the order of their names."""
    return list(read_texts(BUILTIN_FOLDER / "texts").values())
