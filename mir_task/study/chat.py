"""Conversations as training batches: the chat template, the image's tokens, labels and loss on the answers alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy

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
        "labels": _answer_labels(expanded, encoded, _answer_start(processor), tokenizer.eos_token),
        "pixel_values": pixels,
    }


class Answers(NamedTuple):
    """Tokens of a batch's answers, n in all, and what a model gives for them."""

    logits: Tensor
    """[n, vocabulary]"""
    targets: Tensor
    """[n]"""
    rows: Tensor
    """[n] the conversation that each belongs to."""


def answers_of(model: Any, batch: Mapping[str, Tensor]) -> Answers:
    """Logits of the answers' tokens; those of all other positions are never computed.

    Args:
        model: a LLaVA.
        batch: from :func:`batch_of`.
    """
    inputs = {name: value.to(model.device) for name, value in batch.items()}
    targets = inputs.pop("labels")[:, 1:]
    states = model.model(**inputs).last_hidden_state[:, :-1]
    known = targets != IGNORED
    return Answers(model.lm_head(states[known]), targets[known], known.nonzero()[:, 0])


def answer_loss(model: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """Mean loss per token of the answers, as transformers' models compute it from the labels."""
    answers = answers_of(model, batch)
    return cross_entropy(answers.logits.float(), answers.targets)


def _answer_start(processor: Any) -> str:
    """What the chat template asks for an answer with."""
    asked = [{"role": "user", "content": [{"type": "text", "text": "?"}]}]
    bare = str(processor.apply_chat_template(asked))
    return str(processor.apply_chat_template(asked, add_generation_prompt=True)).removeprefix(bare)


def _answer_labels(texts: Sequence[str], encoded: Mapping[str, Tensor], start: str, eos: str) -> Tensor:
    """Labels [batch, sequence]: the tokens of all answers with their end of sequence; the rest is ignored."""
    answer = re.compile(rf"(?<={re.escape(start)}).*?{re.escape(eos)}", re.DOTALL)
    labels = torch.full_like(encoded["input_ids"], IGNORED)
    for row, text in enumerate(texts):
        starts, ends = encoded["offset_mapping"][row].unbind(-1)
        for span in answer.finditer(text):
            inside = (starts >= span.start()) & (ends <= span.end()) & (ends > starts)
            labels[row, inside] = encoded["input_ids"][row, inside]
    return labels
