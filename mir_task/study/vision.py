"""Stage 0, vision: the tower of a small CLIP trained on pictures and captions, or that of the embedded model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionModel,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from mir_task.demo.checkpoint import TRAINED
from mir_task.study.captions import caption
from mir_task.study.contrast import edited
from mir_task.study.picture import IMAGE_SIZE, render
from mir_task.study.scales import Scale, Vision
from mir_task.study.training import train
from mir_task.study.world import Stream, example

CONTRAST = 4
"""A contrastive batch is this many times larger than the others; half of it are edited scenes."""
MAX_TEXT = 128


def make_vision_tower(scale: Scale, processor_folder: Path, folder: Path, device: str) -> None:
    """Train a vision tower, or take the embedded model's; save it into the folder."""
    if isinstance(scale.vision, Vision):
        train_vision_encoder(scale, scale.vision, processor_folder, folder, device)
    else:
        LlavaForConditionalGeneration.from_pretrained(TRAINED).model.vision_tower.save_pretrained(folder)


def train_vision_encoder(
    scale: Scale, settings: Vision, processor_folder: Path, folder: Path, device: str
) -> None:
    """Train a CLIP; save its vision tower and the curve into the folder."""
    processor = LlavaProcessor.from_pretrained(processor_folder)
    torch.manual_seed(0)
    model = CLIPModel(clip_config(settings, processor.tokenizer)).to(device)
    half = CONTRAST * scale.batch_size // 2

    def loss_of(step: int) -> Tensor:
        captioned = [item for index in range(step * half, (step + 1) * half) for item in _contrast(index)]
        inputs = processor.tokenizer(
            [f"{text}{processor.tokenizer.pad_token}" for text, _ in captioned],
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=MAX_TEXT,
        )
        pixels = processor.image_processor(images=[image for _, image in captioned], return_tensors="pt")
        loss: Tensor = model(
            input_ids=inputs["input_ids"].to(device),
            attention_mask=inputs["attention_mask"].to(device),
            pixel_values=pixels["pixel_values"].to(device),
            return_loss=True,
        ).loss
        return loss

    curve = train(loss_of, model.parameters(), settings.recipe, settings.steps, "stage 0: vision")
    tower = CLIPVisionModel(model.config.vision_config)
    # transformers 4.57 has one more level between the tower and its layers.
    getattr(tower, "vision_model", tower).load_state_dict(model.vision_model.state_dict())
    tower.save_pretrained(folder)
    curve.to_csv(folder / "curve.csv", index=False)


def _contrast(index: int) -> Iterator[tuple[str, Image.Image]]:
    """Caption and picture of a scene and of one that differs in one property."""
    scene, image, random = example("train", Stream.VISION, index)
    yield caption(scene, "long", random), image
    other = edited(scene, random)
    yield caption(other, "long", random), render(other, random)


def clip_config(settings: Vision, tokenizer: Any) -> CLIPConfig:
    """A CLIP of these sizes, whose text side reads the study's own tokenizer."""
    width = settings.hidden_size
    tower = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_attention_heads": 4,
        "projection_dim": width,
    }
    return CLIPConfig(
        text_config={
            **tower,
            "num_hidden_layers": 2,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": MAX_TEXT,
            "bos_token_id": tokenizer.bos_token_id,
            # CLIP reads a text's embedding off at this token: here the first padding token, which every text has.
            # (The true one has id 2, for which CLIP would take the highest id of the text instead.)
            "eos_token_id": tokenizer.pad_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            **tower,
            "num_hidden_layers": settings.layers,
            "image_size": IMAGE_SIZE,
            "patch_size": settings.patch_size,
        },
        projection_dim=width,
    )
