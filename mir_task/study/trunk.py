"""The stable part of trainings that differ in their length alone: done once, and all of them branch from it.

With warm-up, stable rate and decay (Hu et al., MiniCPM, arXiv 2404.06395), what precedes the decay is the same at every
length. So one long training and short decays give every amount of data.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mir_task.study.experiments import Run, runs
from mir_task.study.features import Features
from mir_task.study.layout import Layout
from mir_task.study.scales import Scale
from mir_task.study.stage_one import new_model, stage_one
from mir_task.study.stages import once
from mir_task.study.training import WSD, WSD_DECAY
from mir_task.study.world import Stream

FILE = "state.pt"


def branch_step(scale: Scale, run: Run) -> int:
    """Steps of a run before its decay."""
    steps = run.pretraining.steps(scale)
    return steps - round(WSD_DECAY * steps)


def trunks(scale: Scale) -> dict[str, Run]:
    """The longest run of each trunk of a scale, by the trunk's name."""
    found: dict[str, Run] = {}
    for run in runs(scale):
        if run.pretraining.schedule == WSD:
            longest = found.setdefault(trunk_name(run), run)
            found[trunk_name(run)] = max(longest, run, key=lambda each: each.pretraining.data)
    return found


def trunk_name(run: Run) -> str:
    """Name that runs of all amounts of data share."""
    return replace(run, pretraining=replace(run.pretraining, data=1.0)).name


def marks(scale: Scale, trunk: str) -> list[int]:
    """Steps after which a trunk's state is kept: where runs branch, and where MIR is measured within it."""
    branches = {branch_step(scale, run) for run in runs(scale) if trunk_name(run) == trunk}
    measured = {pairs // scale.batch_size for pairs in scale.along}
    return sorted(branches | {step for step in measured if step <= max(branches)})


def state_at(scale: Scale, run: Run, step: int, layout: Layout, device: str) -> dict[str, Any]:
    """State of a run's trunk after one of its marks, trained from the mark before where it is not there yet."""
    trunk = trunk_name(run)
    longest = trunks(scale)[trunk]
    earlier = [mark for mark in marks(scale, trunk) if mark < step]

    def make(folder: Path) -> None:
        before = state_at(scale, run, earlier[-1], layout, device) if earlier else None
        model, processor = new_model(longest, layout)
        features = Features(layout.features(Stream.CAPTIONS))
        with stage_one(model.to(device), processor, features, longest, scale) as training:
            if before is not None:
                training.restore(before)
            curve = training.run(step)
            torch.save(training.state(), folder / FILE)
        if len(curve):
            curve.to_csv(folder / "curve.csv", index=False)

    found: dict[str, Any] = torch.load(
        once(layout.trunk(trunk, step), make) / FILE, map_location=device, weights_only=True
    )
    return found
