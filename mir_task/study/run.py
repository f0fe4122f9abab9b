"""Runs a study: stage 0 once, then every run of the experiments, then the table of all runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from filelock import Timeout
from loguru import logger

from mir_task.errors import MIRError
from mir_task.study.along import measure_along
from mir_task.study.baselines import caption_perplexity, in_context_score
from mir_task.study.batches import pictures
from mir_task.study.collect import collect
from mir_task.study.evaluate import evaluate
from mir_task.study.experiments import Pretraining, Run, runs
from mir_task.study.features import write_features
from mir_task.study.finetune import finetune
from mir_task.study.language import build_processor, make_language_model
from mir_task.study.layout import Layout
from mir_task.study.model import load
from mir_task.study.numbers import OTHER_TASK, TASK
from mir_task.study.pretrain import pretrain
from mir_task.study.probe_data import write_probe_data
from mir_task.study.properties import write_properties
from mir_task.study.questions import SKILLS
from mir_task.study.scales import Scale
from mir_task.study.stages import lock_of, once, share
from mir_task.study.vision import make_vision_tower
from mir_task.study.world import Stream

MIR_TASKS = (TASK, OTHER_TASK)
SCORE_TASKS = tuple(f"mir_study_{skill}" for skill in SKILLS)


def run_study(scale: Scale, output: Path, device: str) -> Path:
    """Run all stages that are not done yet; several processes with the same output share the runs.

    Args:
        scale: size of the study.
        output: folder of all stages and results; made if needed.
        device: device that models are trained and evaluated on.

    Returns:
        File with the table of scores and baselines.

    Raises:
        MIRError: the folder holds a study with other settings.
    """
    layout = Layout(output)
    _check_settings(scale, layout)
    _make_shared_stages(scale, layout, device)
    todo = runs(scale)
    for number, run in enumerate(todo, start=1):
        try:
            with lock_of(layout.results / run.name).acquire(timeout=0):
                logger.info(f"run {number} of {len(todo)}: {run.name}")
                run_one(scale, run, layout, device)
                collect(scale, layout)
        except Timeout:
            logger.info(f"run {number} of {len(todo)}: {run.name} is another process's")
    if scale.along:
        measure_along(scale, layout, device)
    base = Run(Pretraining(), 0)
    if (layout.stage_one / base.name).exists():
        once(layout.properties, partial(write_properties, scale, layout, base, device))
    return collect(scale, layout)


def _make_shared_stages(scale: Scale, layout: Layout, device: str) -> None:
    """Make what all runs share: processor, language model, vision tower and its features, pairs for MIR."""
    once(layout.processor, lambda folder: build_processor(scale).save_pretrained(folder))
    share(
        {
            layout.language: lambda folder: make_language_model(scale, layout.processor, folder, device),
            layout.vision: lambda folder: make_vision_tower(scale, layout.processor, folder, device),
            layout.probe: lambda folder: write_probe_data(scale, folder),
        }
    )
    share(
        {
            layout.features(stream): partial(write_features, layout.vision, layout.processor, stream, count)
            for stream, count in (
                (Stream.CAPTIONS, pictures(scale)),
                (Stream.QUESTIONS, scale.sft_steps * scale.batch_size),
            )
        }
    )


def run_one(scale: Scale, run: Run, layout: Layout, device: str) -> None:
    """Train both stages of a run; measure MIR and the baselines after the first, scores after the second."""
    pretrained = once(
        layout.stage_one / run.name,
        lambda folder: pretrain(scale, run, layout, folder, device),
    )
    environment = {
        "MIR_IMAGES": str(layout.probe / "images"),
        "MIR_TEXTS": str(layout.probe / "texts"),
        "MIR_NUM_PAIRS": str(scale.probe_pairs),
    }
    once(
        layout.mir / run.name,
        lambda folder: evaluate(pretrained, MIR_TASKS, folder, device, environment=environment),
    )
    once(layout.baselines / run.name, partial(write_baselines, scale, pretrained, device))
    finetuned = once(
        layout.stage_two / run.name,
        lambda folder: finetune(
            scale, run.seed, pretrained, layout.features(Stream.QUESTIONS), folder, device
        ),
    )
    once(
        layout.scores / run.name,
        lambda folder: evaluate(finetuned, SCORE_TASKS, folder, device, limit=scale.questions),
    )


def write_baselines(scale: Scale, pretrained: Path, device: str, folder: Path) -> None:
    """Write caption perplexity and in-context score of a stage-1 checkpoint as JSON."""
    model, processor = load(pretrained)
    model.to(device)
    values = {
        "caption_ppl": caption_perplexity(model, processor, scale),
        "in_context": in_context_score(model, processor, scale),
    }
    (folder / "baselines.json").write_text(json.dumps(values, indent=1) + "\n")


def default_device() -> str:
    """``cuda`` where there is an accelerator, otherwise ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _check_settings(scale: Scale, layout: Layout) -> None:
    settings = json.loads(json.dumps(asdict(scale)))
    if layout.settings.exists():
        before = json.loads(layout.settings.read_text())
        # More experiments, seeds or questions leave what is there as it is.
        free = ("estimate", "experiments", "main_seeds", "side_seeds", "along")
        changed = [key for key in settings if key not in free and before.get(key) != settings[key]]
        if changed:
            raise MIRError(
                f"{layout.root} holds a study with other settings ({', '.join(changed)}); give another --output, "
                "or delete it"
            )
    layout.root.mkdir(parents=True, exist_ok=True)
    layout.settings.write_text(json.dumps(settings, indent=1) + "\n")
