"""Stage 1: the connector learns to caption, and with it a part of the language model where unlocked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from mir_task.study.captions import Length, caption
from mir_task.study.chat import batch_of, chat_text
from mir_task.study.experiments import Pretraining, Run, Unlocked
from mir_task.study.features import Features, features_for_pixels
from mir_task.study.layout import Layout
from mir_task.study.model import assemble, save
from mir_task.study.scales import Scale
from mir_task.study.training import Recipe, train
from mir_task.study.world import Stream, text_example
from mir_task.training.moca import MoCa

LORA = LoraConfig(
    r=16, lora_alpha=32, lora_dropout=0.0, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]
)


def pretrain(scale: Scale, run: Run, layout: Layout, folder: Path, device: str) -> None:
    """Train stage 1 of a run; save the checkpoint into the folder, and the curve beside it."""
    settings = run.pretraining
    model, processor = assemble(layout.language, layout.vision, settings.connector, run.seed)
    scale_output(model.model.multi_modal_projector, settings.start)
    features = Features(layout.features(Stream.CAPTIONS))
    curve = train_stage_one(
        model.to(device), processor, features, settings, scale, run.seed, f"stage 1: {run.name}"
    )
    save(model, processor, folder)
    curve.to_csv(folder / "curve.csv", index=False)


def scale_output(connector: nn.Module, factor: float) -> None:
    """Scale a connector's output by the weights of its last layer."""
    last = [module for module in connector.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(factor)
        if last.bias is not None:
            last.bias.mul_(factor)


def train_stage_one(
    model: Any,
    processor: Any,
    features: Features,
    settings: Pretraining,
    scale: Scale,
    seed: int,
    description: str,
) -> pd.DataFrame:
    """Train a model in place, as :class:`Pretraining` says; only captions are learnt from, not the prompt."""
    count = settings.pairs(scale)
    per_epoch = count // scale.batch_size
    steps = per_epoch * settings.epochs

    def loss_of(step: int) -> Tensor:
        epoch, batch = divmod(step, per_epoch)
        order = np.random.default_rng((seed, epoch)).permutation(count)
        indices = order[batch * scale.batch_size : (batch + 1) * scale.batch_size]
        return caption_loss(model, processor, features, indices.tolist(), settings.caption)

    with unlocked(model, settings.unlocked), features_for_pixels(model):
        model.model.multi_modal_projector.requires_grad_(True)
        if settings.moca:
            MoCa.attach(model)
        model.train()
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        recipe = Recipe(settings.rate, settings.warmup, settings.schedule, clip=settings.clip)
        return train(loss_of, trained, recipe, steps, description, stop=max(1, round(settings.stop * steps)))


def caption_loss(
    model: Any, processor: Any, features: Features, indices: list[int], length: Length
) -> Tensor:
    """Mean loss per token of the captions of training pairs."""
    examples = [text_example("train", Stream.CAPTIONS, index) for index in indices]
    texts = [
        chat_text(processor, [("", caption(scene, length, random))], images=1) for scene, random in examples
    ]
    batch = batch_of(processor, texts, features[indices])
    loss: Tensor = model(**{name: value.to(model.device) for name, value in batch.items()}).loss
    return loss


@contextmanager
def unlocked(model: Any, part: Unlocked) -> Iterator[None]:
    """Freeze a model but for a part of its language model; LoRA's updates are merged in at the end."""
    model.requires_grad_(False)
    language = model.model.language_model
    if part == "all":
        language.requires_grad_(True)
        model.lm_head.requires_grad_(True)
    elif part == "half":
        language.layers[: len(language.layers) // 2].requires_grad_(True)
    elif part == "lora":
        inject_adapter_in_model(LORA, language)
    yield
    if part == "lora":
        _merge_lora(language)


def _merge_lora(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, BaseTunerLayer):
            child.merge()
            setattr(module, name, child.get_base_layer())
        else:
            _merge_lora(child)
