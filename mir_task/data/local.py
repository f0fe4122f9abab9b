"""Pairs from the user's own files, named in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mir_task.data.choice import PairSet, PairSettings, join, pairs_dataset, switch
from mir_task.data.files import read_images, read_texts
from mir_task.data.images import open_image
from mir_task.errors import MIRDataError


def local_pairs(environment: Mapping[str, str] = os.environ) -> PairSet:
    """Pairs from the user's own files.

    ``MIR_IMAGES``: a folder of images (searched recursively). ``MIR_TEXTS``: a folder of .txt files or a
    .jsonl file with a ``text`` field. ``MIR_PAIRED=1``: each image goes with the text of the same name
    (file name without its ending; in a .jsonl the ``id`` field); otherwise images and texts are joined at
    random by ``MIR_SEED``. ``MIR_NUM_PAIRS``: how many.

    Raises:
        MIRDataError: naming the setting or file: not set, not found, empty, unreadable, unpaired.
    """
    images = read_images(_existing(environment, "MIR_IMAGES"))
    texts = read_texts(_existing(environment, "MIR_TEXTS"))
    paired = switch(environment, "MIR_PAIRED")
    settings = PairSettings.from_environment(environment)
    if paired:
        unmatched = sorted(images.keys() ^ texts.keys())
        if unmatched:
            raise MIRDataError(
                f"MIR_PAIRED=1: {len(unmatched)} names have an image or a text but not both, "
                f"among them {', '.join(unmatched[:5])}; complete the pairs or unset MIR_PAIRED"
            )
    pairs = join(images, texts, settings, paired, "MIR_IMAGES and MIR_TEXTS")
    if environment.get("MIR_ON_ERROR", "").strip().lower() != "skip":
        for _, image, _ in pairs:
            open_image(image)  # so that an unreadable file ends the run here and not after an hour
    return PairSet(
        pairs_dataset(pairs),
        {
            "images": environment["MIR_IMAGES"],
            "texts": environment["MIR_TEXTS"],
            "paired": paired,
            "seed": settings.seed,
        },
    )


def _existing(environment: Mapping[str, str], name: str) -> Path:
    value = environment.get(name, "").strip()
    if not value:
        raise MIRDataError(
            f"mir_local needs the environment variable {name}: set MIR_IMAGES to a folder of images and MIR_TEXTS "
            "to a folder of .txt files or a .jsonl file"
        )
    path = Path(value).expanduser()
    if not path.exists():
        raise MIRDataError(f"{name}: {path} does not exist")
    return path
