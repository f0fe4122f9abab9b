"""Pairs of the user's own, graded by how well each text fits its image in the eyes of a CLIP model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from tqdm import tqdm

from mir_task.data.images import open_image
from mir_task.data.local import local_pairs
from mir_task.data.pairs import PairSet, switch, whole_number
from mir_task.errors import MIRDataError
from mir_task.result import MIN_PAIRS, Grading

DEFAULT_LEVELS = 4
LEVEL_COLUMN = "similarity_level"


def graded_pairs(environment: Mapping[str, str] = os.environ) -> PairSet:
    """The pairs of ``mir_local`` with ``MIR_PAIRED=1``, in levels of image-text similarity.

    ``MIR_CLIP``: folder or name of a transformers CLIPModel with tokenizer and image processor. ``MIR_LEVELS``:
    how many levels. They hold equally many pairs (quantiles) and are numbered from 1, the least similar.

    Raises:
        MIRDataError: naming the setting; too few pairs for that many levels, or too many equal similarities.
    """
    if not switch(environment, "MIR_PAIRED"):
        raise MIRDataError(
            "mir_by_alignment needs texts that belong to their images: set MIR_PAIRED=1, with files of the same "
            "names in MIR_IMAGES and MIR_TEXTS"
        )
    clip = environment.get("MIR_CLIP", "").strip()
    if not clip:
        raise MIRDataError(
            "mir_by_alignment needs the environment variable MIR_CLIP: the folder or name of the CLIP model that "
            "grades the pairs"
        )
    levels = whole_number(environment, "MIR_LEVELS", minimum=2) or DEFAULT_LEVELS
    pairs = local_pairs(environment)
    if len(pairs.dataset) < MIN_PAIRS * levels:
        raise MIRDataError(
            f"{len(pairs.dataset)} pairs are too few for {levels} levels of at least {MIN_PAIRS}; add some or lower "
            "MIR_LEVELS"
        )
    similarities = clip_similarities(clip, pairs.dataset)
    grades, edges = grade(similarities, levels)
    grading = Grading(
        clip=clip, edges=edges, similarity=dict(zip(pairs.dataset["pair_id"], similarities, strict=True))
    )
    return PairSet(
        pairs.dataset.add_column(LEVEL_COLUMN, grades), {**pairs.source, "alignment": grading.model_dump()}
    )


def grade(similarities: list[float], levels: int) -> tuple[list[int], list[float]]:
    """Level (1 … levels) of each similarity, and the levels + 1 edges between them.

    Raises:
        MIRDataError: equal similarities leave a level without pairs.
    """
    try:
        grades, edges = pd.qcut(pd.Series(similarities), levels, labels=False, retbins=True)
    except ValueError as error:
        raise MIRDataError(
            f"too many pairs have the same image-text similarity for {levels} levels ({error}); lower MIR_LEVELS"
        ) from error
    return [int(value) + 1 for value in grades], [float(edge) for edge in edges]


def clip_similarities(clip: str, rows: Iterable[Mapping[str, Any]]) -> list[float]:
    """Cosine between CLIP's embeddings of image and text, for each row; texts are cut to what CLIP reads.

    Raises:
        MIRDataError: no CLIPModel with tokenizer and image processor under that name.
    """
    import torch
    from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, CLIPModel

    try:
        if (model_type := AutoConfig.from_pretrained(clip).model_type) != "clip":
            raise ValueError(f"its model_type is {model_type!r}, not 'clip'")
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = CLIPModel.from_pretrained(clip).eval().to(device)
        tokenizer, processor = AutoTokenizer.from_pretrained(clip), AutoImageProcessor.from_pretrained(clip)
    except Exception as error:  # transformers raises many unrelated classes for what it cannot load
        raise MIRDataError(
            f"MIR_CLIP: cannot load a CLIPModel, its tokenizer and image processor from {clip}: {error}"
        ) from error
    longest = model.config.text_config.max_position_embeddings
    similarities = []
    for row in tqdm(rows, desc="MIR: CLIP similarity", unit="pair"):
        text = tokenizer(row["text"], truncation=True, max_length=longest, return_tensors="pt")
        image = processor(images=open_image(row["image"]), return_tensors="pt")
        with torch.inference_mode():
            output = model(
                input_ids=text["input_ids"].to(device),
                attention_mask=text["attention_mask"].to(device),
                pixel_values=image["pixel_values"].to(device),
            )
        similarities.append(float(torch.cosine_similarity(output.image_embeds, output.text_embeds)))
    return similarities
