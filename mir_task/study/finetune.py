"""Stage 2: the same supervised fine-tuning for every run; connector and language model are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from mir_task.study.chat import answer_loss, batch_of, chat_text
from mir_task.study.features import Features, features_for_pixels
from mir_task.study.model import load, save
from mir_task.study.questions import ask_any
from mir_task.study.scales import Scale
from mir_task.study.training import autocast, train
from mir_task.study.world import Stream, text_example


def finetune(scale: Scale, seed: int, pretrained: Path, features: Path, folder: Path, device: str) -> None:
    """Fine-tune a stage-1 checkpoint; save the result into the folder, and the curve beside it."""
    model, processor = load(pretrained)
    description = f"stage 2: {pretrained.name}"
    curve = train_stage_two(model.to(device), processor, Features(features), scale, seed, description)
    save(model, processor, folder)
    curve.to_csv(folder / "curve.csv", index=False)


def train_stage_two(
    model: Any, processor: Any, features: Features, scale: Scale, seed: int, description: str
) -> pd.DataFrame:
    """Train a model in place on questions about scenes, several about each; only answers are learnt from."""
    model.requires_grad_(True)
    model.model.vision_tower.requires_grad_(False)
    model.train()

    def loss_of(step: int) -> Tensor:
        indices = range(step * scale.batch_size, (step + 1) * scale.batch_size)
        examples = [text_example("train", Stream.QUESTIONS, index, seed=seed) for index in indices]
        texts = [
            chat_text(processor, ask_any(scene, scale.turns, random), images=1) for scene, random in examples
        ]
        batch = batch_of(processor, texts, features[indices])
        with autocast(model.device, scale.precision):
            return answer_loss(model, batch)

    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with features_for_pixels(model):
        return train(loss_of, trained, scale.sft_recipe, scale.sft_steps, description)
