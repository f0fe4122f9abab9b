"""The paper's data: TextVQA images and CNN/DailyMail articles, from the hub or its cache."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import datasets

from mir_task.data.choice import PairSet, PairSettings, join
from mir_task.data.files import check_text
from mir_task.errors import MIRDataError


def hub_pairs(
    images: Mapping[str, Any], texts: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> PairSet:
    """The paper's data: TextVQA images, each once, joined with unrelated CNN/DailyMail articles.

    Args:
        images: arguments of ``datasets.load_dataset`` for a dataset with ``image_id`` and ``image`` (several
            questions share one image there, each image is taken once).
        texts: likewise, for one with ``id`` and ``article``.
        environment: of the settings.

    Raises:
        MIRDataError: the data can be had neither from the hub nor from its cache, or has other columns.
    """
    settings = PairSettings.from_environment(environment)
    image_set, text_set = load(images, ("image_id", "image")), load(texts, ("id", "article"))
    image_rows = {str(key): row for row, key in reversed(list(enumerate(image_set["image_id"])))}
    text_rows = {str(key): row for row, key in reversed(list(enumerate(text_set["id"])))}
    pairs = join(image_rows, text_rows, settings, paired=False, what=f"{images['path']} and {texts['path']}")
    # Selected by row, so that only the chosen images are ever decoded.
    chosen = undecoded(image_set.select([row for _, row, _ in pairs]).select_columns(["image"]))
    chosen = chosen.add_column("pair_id", [pair_id for pair_id, _, _ in pairs])
    chosen = chosen.add_column("text", [text_set[row]["article"] for _, _, row in pairs])
    for pair_id, text in zip(chosen["pair_id"], chosen["text"], strict=True):
        check_text(text, f"the article of pair {pair_id}")
    return PairSet(
        chosen,
        {
            "images": describe(images, image_set),
            "texts": describe(texts, text_set),
            "paired": False,
            "seed": settings.seed,
        },
    )


def undecoded(dataset: datasets.Dataset) -> datasets.Dataset:
    """The same with images as files or their bytes, which :func:`open_image` opens with its limits."""
    if isinstance(dataset.features["image"], datasets.Image):
        return dataset.cast_column("image", datasets.Image(decode=False))
    return dataset


def load(source: Mapping[str, Any], columns: Sequence[str], task: str = "mir") -> datasets.Dataset:
    """A dataset of the hub.

    Raises:
        MIRDataError: it can be had neither from the hub nor from its cache, or lacks a column.
    """
    try:
        dataset = datasets.load_dataset(**source)
    except Exception as error:  # datasets raises a dozen unrelated classes when it cannot reach the hub
        raise MIRDataError(
            f"task {task} needs {source['path']} from the Hugging Face hub or its cache, which failed: {error}. "
            f"Without the hub use {task}_builtin (data in the package) or {task}_local (your own images and texts: "
            f"MIR_IMAGES, MIR_TEXTS); their numbers are not comparable with {task}'s."
        ) from error
    missing = [column for column in columns if column not in dataset.column_names]
    if missing:
        raise MIRDataError(
            f"{source['path']} has no column {', '.join(missing)}, only {', '.join(dataset.column_names)}"
        )
    return dataset


def describe(source: Mapping[str, Any], dataset: datasets.Dataset) -> str:
    """Path, configuration, split and, where datasets knows it, the revision that was loaded."""
    # Checksums are keyed by 'hf://datasets/OWNER/NAME@REVISION/FILE'.
    urls = dataset.info.download_checksums or {}
    revisions = {
        url.split("@", 1)[1].split("/", 1)[0] for url in urls if url.startswith("hf://") and "@" in url
    }
    revision = f"@{'+'.join(sorted(revisions))}" if revisions else ""
    config = f" {source['name']}" if source.get("name") else ""
    return f"{source['path']}{revision}{config} {source['split']}"
