"""A set of pairs whose images are opened one at a time, when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import datasets

from mir_task.data.images import open_image
from mir_task.errors import naming
from mir_task.pair import Pair
from mir_task.result import Protocol

LEVEL_COLUMN = "similarity_level"


class PairSet(Sequence[Pair]):
    """Chosen pairs, and where they come from.

    A sequence of :class:`mir_task.Pair`: ``pairs[3]`` opens one image, ``for pair in pairs`` one after the other, a
    slice none; what was opened is not kept.

    Args:
        dataset: a row a pair, with the columns ``pair_id``, ``image`` (a file, an image, or an undecoded one of
            ``datasets``), ``text`` and, of graded pairs, ``similarity_level``.
        source: fields of :class:`mir_task.Protocol` that the choice of pairs settles: images, texts, paired, seed,
            alignment.

    Raises:
        MIRDataError: naming the pair, when an image is asked for that cannot be read.
    """

    def __init__(self, dataset: datasets.Dataset, source: Mapping[str, Any] | None = None) -> None:
        self.dataset = dataset
        self.source = dict(source or {})

    @classmethod
    def of_files(cls, pairs: Iterable[tuple[str, Path, str]], **source: Any) -> PairSet:
        """Pairs of (pair id, image file, text)."""
        rows = [{"pair_id": pair_id, "image": str(image), "text": text} for pair_id, image, text in pairs]
        return cls(datasets.Dataset.from_list(rows), source)

    @property
    def ids(self) -> list[str]:
        """Name of each pair."""
        return list(self.dataset["pair_id"])

    @property
    def levels(self) -> list[int] | None:
        """Level of image-text similarity of each pair, 1 the least similar; None: not graded."""
        if LEVEL_COLUMN not in self.dataset.column_names:
            return None
        return [int(level) for level in self.dataset[LEVEL_COLUMN]]

    @property
    def protocol(self) -> Protocol:
        """Origin of the pairs, as a result records it."""
        return Protocol(**self.source)

    def subset(self, numbers: Iterable[int]) -> PairSet:
        """Pairs of the given numbers, in their order; a number may come more than once.

        Raises:
            IndexError: there is no pair of that number.
        """
        return PairSet(self.dataset.select([range(len(self))[number] for number in numbers]), self.source)

    def __len__(self) -> int:
        return len(self.dataset)

    @overload
    def __getitem__(self, index: int) -> Pair: ...

    @overload
    def __getitem__(self, index: slice) -> PairSet: ...

    def __getitem__(self, index: int | slice) -> Pair | PairSet:
        if isinstance(index, slice):
            return self.subset(range(len(self))[index])
        row = self.dataset[range(len(self))[index]]
        with naming(f"pair {row['pair_id']}"):
            return Pair(open_image(row["image"]), str(row["text"]), row["pair_id"])

    def __repr__(self) -> str:
        origin = "".join(
            f", {name}={self.source[name]!r}" for name in ("images", "texts") if name in self.source
        )
        return f"PairSet({len(self)} pairs{origin})"
