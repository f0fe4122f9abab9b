"""Conversations as training batches: the chat template, the image's tokens, labels on the answers alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

IGNORED = -100
"""The label that transformers' losses leave out."""
Turns = Sequence[tuple[str, str]]
"""(user, assistant) in order."""


def chat_text(processor: Any, turns: Turns, images: int = 0) -> str:
    """Turns in the processor's chat template; each of the first ``images`` user turns begins with an image.

    Args:
        processor: a LLaVA processor.
        turns: an empty last answer asks for one: the text ends where it is to begin.
        images: how many turns have an image.
    """
    messages: list[dict[str, Any]] = []
    for number, (user, assistant) in enumerate(turns):
        content = [{"type": "image"}] if number < images else []
        messages.append({"role": "user", "content": [*content, {"type": "text", "text": user}]})
        if assistant:
            messages.append({"role": "assistant", "content": [{"type": "text", "text": assistant}]})
    return str(processor.apply_chat_template(messages, add_generation_prompt=not turns[-1][1]))


def batch_of(
    processor: Any, texts: Sequence[str], images: Sequence[Image.Image] | Tensor
) -> dict[str, Tensor]:
    """Inputs and labels of conversations with images.

    Args:
        processor: a LLaVA processor.
        texts: from :func:`chat_text`.
        images: all images, in the order of their places in the texts; or features in the place of their pixels.

    Returns:
        ``input_ids``, ``attention_mask``, ``labels`` [batch, sequence] and ``pixel_values``; padding is on the right.
    """
    tokenizer = processor.tokenizer
    side = processor.image_processor.crop_size["height"] // processor.patch_size
    placeholder = processor.image_token
    expanded = [text.replace(placeholder, placeholder * side * side) for text in texts]
    encoded = tokenizer(
        expanded, return_tensors="pt", padding=True, padding_side="right", return_offsets_mapping=True
    )
    if isinstance(images, Tensor):
        pixels = images
    else:
        pixels = processor.image_processor(images=list(images), return_tensors="pt")["pixel_values"]
    return {
        "input_ids": encoded["input_ids"],
        "attention_mask": encoded["attention_mask"],
        "labels": _answer_labels(expanded, encoded, tokenizer.eos_token),
        "pixel_values": pixels,
    }


def _answer_labels(texts: Sequence[str], encoded: Mapping[str, Tensor], eos: str) -> Tensor:
    """Labels [batch, sequence]: the tokens of all answers with their end of sequence; the rest is ignored."""
    answer = re.compile(rf"(?<= ASSISTANT:).*?{re.escape(eos)}", re.DOTALL)
    labels = torch.full_like(encoded["input_ids"], IGNORED)
    for row, text in enumerate(texts):
        starts, ends = encoded["offset_mapping"][row].unbind(-1)
        for span in answer.finditer(text):
            inside = (starts >= span.start()) & (ends <= span.end()) & (ends > starts)
            labels[row, inside] = encoded["input_ids"][row, inside]
    return labels
