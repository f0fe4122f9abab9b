"""Images with captions that describe them: from the hub, from the package, from the user's files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mir_task.data.builtin import BUILTIN_FOLDER
from mir_task.data.choice import PairSet, PairSettings, join, pairs_dataset
from mir_task.data.files import check_text, read_images, read_texts
from mir_task.data.hub import describe, load, undecoded
from mir_task.data.local import local_pairs

HUB_PAIRS = 1000
"""As many as the paper compared perplexity on."""


def hub_captions(captions: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> PairSet:
    """Images of a caption dataset, each with its first caption.

    Args:
        captions: arguments of ``datasets.load_dataset`` for a dataset with ``img_id``, ``image`` and ``caption``.
        environment: of the settings.

    Raises:
        MIRDataError: the data can be had neither from the hub nor from its cache, or has other columns.
    """
    settings = PairSettings.from_environment(environment)
    dataset = load(captions, ("img_id", "image", "caption"), "mir_caption_ppl")
    rows = {str(key): row for row, key in reversed(list(enumerate(dataset["img_id"])))}
    settings = replace(settings, num_pairs=settings.num_pairs or min(HUB_PAIRS, len(rows)))
    pairs = join(rows, rows, settings, paired=True, what=str(captions["path"]))
    texts = [first_caption(dataset[row]["caption"], f"the caption of {name}") for name, row, _ in pairs]
    chosen = undecoded(dataset.select([row for _, row, _ in pairs]).select_columns(["image"]))
    chosen = chosen.add_column("pair_id", [name for name, _, _ in pairs]).add_column("text", texts)
    source = describe(captions, dataset)
    return PairSet(chosen, {"images": source, "texts": source, "paired": True, "seed": settings.seed})


def builtin_captions(environment: Mapping[str, str] = os.environ) -> PairSet:
    """The rendered scenes of the package, each with a sentence written for it."""
    settings = PairSettings.from_environment(environment)
    captions = read_texts(BUILTIN_FOLDER / "captions.jsonl")
    pairs = join(read_images(BUILTIN_FOLDER / "images"), captions, settings, True, "the built-in captions")
    source = "mir_task.builtin"
    return PairSet(
        pairs_dataset(pairs), {"images": source, "texts": source, "paired": True, "seed": settings.seed}
    )


def local_captions(environment: Mapping[str, str] = os.environ) -> PairSet:
    """The user's own images, each with the text of its name, whatever ``MIR_PAIRED`` says."""
    return local_pairs({**environment, "MIR_PAIRED": "1"})


def first_caption(value: Any, where: str) -> str:
    """A caption, or the first of several.

    Raises:
        MIRDataError: it is empty.
    """
    return check_text(str(value[0] if isinstance(value, list) and value else value or ""), where)
