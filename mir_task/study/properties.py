"""Properties of MIR on one checkpoint: how it changes with the number of pairs, other data and templates."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from mir_task import measure
from mir_task.data import builtin_pairs, local_pairs
from mir_task.pair import Pair
from mir_task.study.captions import Length, caption
from mir_task.study.connectors import Connector
from mir_task.study.experiments import Run
from mir_task.study.layout import Layout
from mir_task.study.model import assemble, load
from mir_task.study.rows import hidden_rows, mir_of
from mir_task.study.scales import Scale
from mir_task.study.scene import Split
from mir_task.study.world import Stream, example, text_example

FILE = "properties.csv"
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
DRAWS = 10
"""Most disjoint sets of pairs of each size."""
LARGEST = 10
"""The largest set is this many times the study's number of pairs."""
ELSEWHERE = 10**5
"""First number of scenes that nothing else in the study uses."""


def write_properties(scale: Scale, layout: Layout, run: Run, device: str, folder: Path) -> None:
    """Write ``properties.csv``: ``property``, ``variant``, ``draw``, ``pairs``, ``mir``, ``mir_se``, ``mir_reference``.

    Args:
        scale: gives the number of pairs.
        layout: folders of the study.
        run: run with a complete stage 1.
        device: where the model runs.
        folder: receives the file.
    """
    model, processor = load(layout.stage_one / run.name)
    model.to(device)
    own = list(
        local_pairs(layout.probe / "images", layout.probe / "texts")
    )  # as the task mir_local joins them
    rows = [
        *_by_size(model, processor, scale),
        *_by_data(model, processor, scale, own),
        *_untrained(scale, layout, run.pretraining.connector, device, own),
    ]
    pd.DataFrame(rows).to_csv(folder / FILE, index=False)


def _by_size(model: Any, processor: Any, scale: Scale) -> Iterator[dict[str, Any]]:
    """Table 6: disjoint sets of pairs of several sizes, which tells bias and spread apart."""
    total = LARGEST * scale.probe_pairs
    pairs = [
        Pair(
            example("heldout", Stream.PROBE_IMAGES, ELSEWHERE + index).image, _description(ELSEWHERE + index)
        )
        for index in tqdm(range(total), desc="properties: pairs", unit="pair")
    ]
    rows = hidden_rows(model, processor, pairs)
    for size in (size for size in SIZES if size <= total):
        for draw in range(min(DRAWS, total // size)):
            result = mir_of(rows[draw * size : (draw + 1) * size])
            yield {
                "property": "number of pairs",
                "variant": str(size),
                "draw": draw,
                "pairs": size,
                "mir": result.mir,
                "mir_reference": result.mir_reference,
            }


def _by_data(model: Any, processor: Any, scale: Scale, own: list[Pair]) -> Iterator[dict[str, Any]]:
    """Figure 3: other images and texts, with and without template, related and not, seen in training and not."""
    count = scale.probe_pairs
    other = [example("heldout", Stream.PROBE_IMAGES, ELSEWHERE + index).image for index in range(count)]
    builtin = _builtin(count)
    images, texts = [pair.image for pair in own], [pair.text for pair in own]
    described = [_description(ELSEWHERE + index) for index in range(count)]
    sets = {
        ("data", "the study's own"): own,
        ("data", "other images"): _join(other, texts),
        ("data", "other texts"): _join(images, described),
        ("data", "other images and texts"): _join(other, described),
        ("data", "images of another kind"): _join([pair.image for pair in builtin], texts),
        ("data", "texts of another kind"): _join(images, [pair.text for pair in builtin]),
        ("relation", "unrelated"): _join(*_captioned("heldout", Stream.PROBE_IMAGES, count, apart=1)),
        ("relation", "related"): _join(*_captioned("heldout", Stream.PROBE_IMAGES, count)),
        ("training", "unseen"): _join(*_captioned("heldout", Stream.CAPTIONS, count)),
        ("training", "seen"): _join(*_captioned("train", Stream.CAPTIONS, count)),
    }
    for (name, variant), pairs in sets.items():
        yield _row(name, variant, model, processor, pairs)
    yield _row("template", "with", model, processor, own)
    yield _row("template", "without", model, _without_template(processor), own)


def _untrained(
    scale: Scale, layout: Layout, connector: Connector, device: str, own: list[Pair]
) -> Iterator[dict[str, Any]]:
    """Start of stage 1: the models of stage 0 and the untrained connector of each seed."""
    for seed in range(scale.main_seeds):
        model, processor = assemble(layout.language, layout.vision, connector, seed)
        model.eval().to(device)
        for name, pairs in (("the study's own", own), ("built-in", _builtin(scale.probe_pairs))):
            yield _row("untrained connector", f"seed {seed}, pairs: {name}", model, processor, pairs)


def _row(name: str, variant: str, model: Any, processor: Any, pairs: list[Pair]) -> dict[str, Any]:
    result = measure(model, processor, pairs, progress=False)
    return {
        "property": name,
        "variant": variant,
        "draw": 0,
        "pairs": result.pairs,
        "mir": result.mir,
        "mir_se": result.standard_error,
        "mir_reference": result.mir_reference,
    }


def _builtin(count: int) -> list[Pair]:
    return list(builtin_pairs()[:count])


def _captioned(
    split: Split, stream: Stream, count: int, length: Length = "long", apart: int = 0
) -> tuple[list[Any], list[str]]:
    """Images and their captions as in stage 1, or the captions of the images ``apart`` further on."""
    examples = [example(split, stream, index) for index in range(count)]
    captions = [caption(one.scene, length, one.random) for one in examples]
    return [one.image for one in examples], captions[apart:] + captions[:apart]


def _description(index: int) -> str:
    scene, random = text_example("heldout", Stream.PROBE_TEXTS, index)
    return caption(scene, "detailed", random)


def _join(images: list[Any], texts: list[str]) -> list[Pair]:
    return [Pair(image, text) for image, text in zip(images, texts, strict=True)]


def _without_template(processor: Any) -> Any:
    bare = copy.deepcopy(processor)
    bare.chat_template = bare.tokenizer.chat_template = None
    return bare
