"""Images with captions that describe them: from the hub, from the package, from the user's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mir_task.data.builtin import BUILTIN, BUILTIN_FOLDER
from mir_task.data.choice import Choice, join
from mir_task.data.files import check_text, read_images, read_texts
from mir_task.data.hub import dataset_of, describe, first_rows, load
from mir_task.data.local import local_pairs
from mir_task.data.pair_set import PairSet

HUB_COUNT = 1000
"""As many as the paper compared perplexity on."""


def hub_captions(captions: Mapping[str, Any], *, count: int | None = None, seed: int = 0) -> PairSet:
    """Images of a caption dataset, each with its first caption.

    Args:
        captions: arguments of ``datasets.load_dataset`` for a dataset with ``img_id``, ``image`` and ``caption``.
        count: how many images; default: 1,000, or all if there are fewer.
        seed: of the choice.

    Raises:
        MIRDataError: the data can be had neither from the hub nor from its cache, has other columns, or too few rows.
    """
    choice = Choice(count, seed)
    dataset = load(captions, ("img_id", "image", "caption"), "captions")
    rows = first_rows(dataset["img_id"])
    if count is None:
        choice = replace(choice, count=min(HUB_COUNT, len(rows)))
    pairs = join(rows, rows, choice, paired=True, what=(str(captions["path"]),))
    texts = [first_caption(dataset[row]["caption"], f"the caption of {name}") for name, row, _ in pairs]
    source = describe(captions, dataset)
    return PairSet(
        dataset_of(dataset, pairs, texts), {"images": source, "texts": source, "paired": True, "seed": seed}
    )


def builtin_captions(count: int | None = None, seed: int = 0) -> PairSet:
    """The rendered scenes of the package, each with a sentence written for it.

    Args:
        count: how many, 2 to 100; default: all 100.
        seed: of the choice.

    Raises:
        MIRDataError: naming the argument.
    """
    pairs = join(
        read_images(BUILTIN_FOLDER / "images"),
        read_texts(BUILTIN_FOLDER / "captions.jsonl"),
        Choice(count, seed),
        paired=True,
        what=("the built-in captions",),
    )
    return PairSet.of_files(pairs, images=BUILTIN, texts=BUILTIN, paired=True, seed=seed)


def local_captions(
    images: str | Path,
    texts: str | Path,
    *,
    count: int | None = None,
    seed: int = 0,
    check_images: bool = True,
) -> PairSet:
    """The user's own images, each with the text of its name: :func:`local_pairs` with ``paired=True``."""
    return local_pairs(images, texts, paired=True, count=count, seed=seed, check_images=check_images)


def first_caption(value: Any, where: str) -> str:
    """A caption, or the first of several.

    Raises:
        MIRDataError: it is empty.
    """
    return check_text(str(value[0] if isinstance(value, list) and value else value or ""), where)
