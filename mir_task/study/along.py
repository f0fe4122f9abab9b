"""MIR along a training that runs branch from, with the loss on held-out pictures, at no cost of further trainings."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from mir_task import measure
from mir_task.data import builtin_texts, local_pairs
from mir_task.errors import MIRDataError
from mir_task.pair import Pair
from mir_task.result import MIRResult
from mir_task.study.baselines import caption_perplexity
from mir_task.study.experiments import Run
from mir_task.study.features import Features
from mir_task.study.layout import Layout
from mir_task.study.matched import matched_of
from mir_task.study.scales import Scale
from mir_task.study.stage_one import new_model, stage_one
from mir_task.study.stages import share
from mir_task.study.trunk import marks, state_at, trunks
from mir_task.study.world import Stream

SCENES, PASSAGES = "scenes", "passages"
"""Kinds of texts that the held-out pictures are paired with: descriptions of other scenes, built-in passages."""
NUMBERS = "numbers.json"
NORM_PICTURES = 64


def measure_along(scale: Scale, layout: Layout, device: str) -> None:
    """Measure MIR at every mark of every trunk."""
    share(
        {
            layout.along(name, step): partial(_measure_at, scale, run, step, layout, device)
            for name, run in trunks(scale).items()
            for step in marks(scale, name)
        }
    )


def _measure_at(scale: Scale, run: Run, step: int, layout: Layout, device: str, folder: Path) -> None:
    model, processor = new_model(run, layout)
    features = Features(layout.features(Stream.CAPTIONS))
    state = state_at(scale, run, step, layout, device)
    with stage_one(model.to(device), processor, features, run, scale) as training:
        training.restore(state)
    model.eval()
    own = list(local_pairs(layout.probe / "images", layout.probe / "texts"))
    passages = builtin_texts()
    sets = {
        SCENES: own,
        PASSAGES: [Pair(pair.image, passages[number % len(passages)]) for number, pair in enumerate(own)],
    }
    for name, pairs in sets.items():
        measure(model, processor, pairs, progress=False).save(folder / f"{name}.json")
    numbers = {
        "loss": math.log(caption_perplexity(model, processor, scale)),
        "connector_norm": _connector_norm(model, features),
    }
    (folder / NUMBERS).write_text(json.dumps(numbers, indent=1) + "\n")


def _connector_norm(model: Any, features: Features) -> float:
    """Mean norm of the vectors that the connector gives for training pictures."""
    patches = features[range(NORM_PICTURES)][:, 1:].to(model.device)
    with torch.inference_mode():
        return float(model.model.multi_modal_projector(patches).norm(dim=-1).mean())


def table_along(scale: Scale, layout: Layout) -> pd.DataFrame:
    """What is measured so far: a row for each mark of each trunk.

    Columns: ``trunk``, ``seed``, ``samples`` (image-caption pairs seen), ``loss`` (held out, nats per token),
    ``connector_norm``; of the pairs with descriptions of scenes ``mir``, ``mir_se``, ``norm_ratio``,
    ``image_share``, and as in ``models.csv`` ``norm_matched`` and ``vision_spread``; and ``mir_passages``.

    Raises:
        MIRDataError: a result lacks the companions of MIR.
    """
    rows = []
    for name, run in trunks(scale).items():
        for step in marks(scale, name):
            folder = layout.along(name, step)
            if not folder.exists():
                continue
            scenes = MIRResult.load(folder / f"{SCENES}.json")
            companions = matched_of(scenes)
            if companions is None:
                raise MIRDataError(f"{folder}: no matched norms or variances; delete it to measure again")
            rows.append(
                {
                    "trunk": run.recipe,
                    "seed": run.seed,
                    "samples": step * scale.batch_size,
                    **json.loads((folder / NUMBERS).read_text()),
                    "mir": scenes.mir,
                    "mir_se": scenes.standard_error,
                    "mir_passages": MIRResult.load(folder / f"{PASSAGES}.json").mir,
                    "norm_ratio": scenes.norm_ratio,
                    "norm_matched": companions.mir,
                    "image_share": scenes.image_share,
                    "vision_spread": companions.vision_spread,
                }
            )
    return pd.DataFrame(rows)
