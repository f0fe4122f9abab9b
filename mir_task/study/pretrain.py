"""Stage 1: the connector learns to caption, and with it a part of the language model where unlocked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from mir_task.study.experiments import Run
from mir_task.study.features import Features
from mir_task.study.layout import Layout
from mir_task.study.model import save
from mir_task.study.scales import Scale
from mir_task.study.stage_one import new_model, stage_one
from mir_task.study.training import WSD
from mir_task.study.trunk import branch_step, state_at
from mir_task.study.world import Stream


def pretrain(scale: Scale, run: Run, layout: Layout, folder: Path, device: str) -> None:
    """Train stage 1 of a run; save the checkpoint into the folder, and the curve beside it."""
    model, processor = new_model(run, layout)
    state = None
    if run.pretraining.schedule == WSD:
        state = state_at(scale, run, branch_step(scale, run), layout, device)
    features = Features(layout.features(Stream.CAPTIONS))
    curve = train_stage_one(model.to(device), processor, features, run, scale, state)
    save(model, processor, folder)
    curve.to_csv(folder / "curve.csv", index=False)


def train_stage_one(
    model: Any,
    processor: Any,
    features: Features,
    run: Run,
    scale: Scale,
    state: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """Train a model in place, from its beginning or from a state; only captions are learnt from, not the prompt."""
    with stage_one(model, processor, features, run, scale) as training:
        if state is not None:
            training.restore(state)
        steps = run.pretraining.steps(scale)
        return training.run(max(1, round(run.pretraining.stop * steps)))
