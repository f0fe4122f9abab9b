"""Pairs of the user's own, in levels of image-text similarity."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mir_task.data.arguments import Argument, ArgumentError, check_whole_number
from mir_task.data.local import local_pairs
from mir_task.data.pair_set import LEVEL_COLUMN, PairSet
from mir_task.data.similarity import clip_similarities
from mir_task.result import MIN_PAIRS, Grading


def graded_pairs(
    images: str | Path,
    texts: str | Path,
    *,
    clip: str | Path,
    levels: int = 4,
    count: int | None = None,
    seed: int = 0,
) -> PairSet:
    """The pairs of ``local_pairs(images, texts, paired=True)``, in levels of image-text similarity.

    Args:
        images: as for :func:`local_pairs`.
        texts: likewise, of the images' names.
        clip: folder or name of a transformers CLIPModel with tokenizer and image processor, which grades the pairs.
        levels: how many levels. They hold equally many pairs (quantiles) and are numbered from 1, the least similar.
        count: as for :func:`local_pairs`.
        seed: likewise.

    Raises:
        MIRDataError: as for :func:`local_pairs`; too few pairs for that many levels, too many equal similarities, or no
            such model.
    """
    check_whole_number(levels, Argument.LEVELS, minimum=2)
    pairs = local_pairs(images, texts, paired=True, count=count, seed=seed)
    if len(pairs) < MIN_PAIRS * levels:
        raise ArgumentError(
            f"{len(pairs)} pairs are too few for {levels} levels of at least {MIN_PAIRS}; add some or lower ",
            Argument.LEVELS,
        )
    similarities = clip_similarities(str(clip), pairs)
    grades, edges = grade(similarities, levels)
    alignment = Grading(
        clip=str(clip), edges=edges, similarity=dict(zip(pairs.ids, similarities, strict=True))
    )
    return PairSet(
        pairs.dataset.add_column(LEVEL_COLUMN, grades), {**pairs.source, "alignment": alignment.model_dump()}
    )


def grade(similarities: list[float], levels: int) -> tuple[list[int], list[float]]:
    """Level (1 … levels) of each similarity, and the levels + 1 edges between them.

    Raises:
        ArgumentError: equal similarities leave a level without pairs.
    """
    try:
        grades, edges = pd.qcut(pd.Series(similarities), levels, labels=False, retbins=True)
    except ValueError as error:
        raise ArgumentError(
            f"too many pairs have the same image-text similarity for {levels} levels ({error}); lower ",
            Argument.LEVELS,
        ) from error
    return [int(value) + 1 for value in grades], [float(edge) for edge in edges]
