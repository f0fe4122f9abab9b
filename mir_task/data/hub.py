"""The paper's data: TextVQA images and CNN/DailyMail articles, from the hub or its cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import datasets

from mir_task.data.choice import Choice, join
from mir_task.data.files import check_text
from mir_task.data.pair_set import PairSet
from mir_task.errors import MIRDataError


class HubError(MIRDataError):
    """A dataset that can be had neither from the hub nor from its cache; the cause is what ``datasets`` raised.

    Args:
        message: the whole of it.
        path: name of the dataset.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


def hub_pairs(
    images: Mapping[str, Any], texts: Mapping[str, Any], *, count: int | None = None, seed: int = 0
) -> PairSet:
    """The paper's data: TextVQA images, each once, joined with unrelated CNN/DailyMail articles.

    Args:
        images: arguments of ``datasets.load_dataset`` for a dataset with ``image_id`` and ``image`` (several
            questions share one image there, each image is taken once).
        texts: likewise, for one with ``id`` and ``article``.
        count: how many pairs; default: 100, or all if there are fewer.
        seed: of the choice.

    Raises:
        MIRDataError: the data can be had neither from the hub nor from its cache, has other columns, or too few rows.
    """
    choice = Choice(count, seed)
    image_set, text_set = load(images, ("image_id", "image")), load(texts, ("id", "article"))
    what = (f"{images['path']} and {texts['path']}",)
    image_rows, text_rows = first_rows(image_set["image_id"]), first_rows(text_set["id"])
    pairs = join(image_rows, text_rows, choice, paired=False, what=what)
    articles = [text_set[row]["article"] for _, _, row in pairs]
    for (pair_id, _, _), article in zip(pairs, articles, strict=True):
        check_text(article, f"the article of pair {pair_id}")
    return PairSet(
        dataset_of(image_set, pairs, articles),
        {
            "images": describe(images, image_set),
            "texts": describe(texts, text_set),
            "paired": False,
            "seed": seed,
        },
    )


def load(
    source: Mapping[str, Any], columns: Sequence[str], kind: Literal["pairs", "captions"] = "pairs"
) -> datasets.Dataset:
    """A dataset of the hub.

    Args:
        source: arguments of ``datasets.load_dataset``.
        columns: that it must have.
        kind: of the pairs that are to be made of it.

    Raises:
        HubError: it can be had neither from the hub nor from its cache.
        MIRDataError: it lacks a column.
    """
    try:
        dataset = datasets.load_dataset(**source)
    except Exception as error:  # datasets raises a dozen unrelated classes when it cannot reach the hub
        raise HubError(
            f"cannot load {source['path']} from the Hugging Face hub or its cache: {error}. Without the hub use "
            f"builtin_{kind} (data in the package) or local_{kind} (your own images and texts); their numbers are not "
            "comparable with those of this dataset",
            source["path"],
        ) from error
    missing = [column for column in columns if column not in dataset.column_names]
    if missing:
        raise MIRDataError(
            f"{source['path']} has no column {', '.join(missing)}, only {', '.join(dataset.column_names)}"
        )
    return dataset


def first_rows(keys: Sequence[Any]) -> dict[str, int]:
    """Number of the first row of each key."""
    return {str(key): row for row, key in reversed(list(enumerate(keys)))}


def dataset_of(
    images: datasets.Dataset, pairs: Sequence[tuple[str, int, int]], texts: Sequence[str]
) -> datasets.Dataset:
    """Rows of a :class:`PairSet`: (pair id, row of its image, row of its text) with the texts themselves.

    Images stay files or their bytes, which :func:`open_image` opens with its limits. They are selected by row, so that
    none but the chosen are ever decoded.
    """
    chosen = images.select([row for _, row, _ in pairs]).select_columns(["image"])
    if isinstance(chosen.features["image"], datasets.Image):
        chosen = chosen.cast_column("image", datasets.Image(decode=False))
    chosen = chosen.add_column("pair_id", [pair_id for pair_id, _, _ in pairs])
    return chosen.add_column("text", list(texts))


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
