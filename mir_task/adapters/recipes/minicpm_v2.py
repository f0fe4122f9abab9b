"""MiniCPM-V 2.0, whose ``chat`` ends in ``generate``, which its language model has no longer (transformers 4.50)."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from PIL import Image

from mir_task.adapters.pipeline import Pipeline
from mir_task.errors import MIRDataError

TEMPLATE = "<用户>{image}\n<AI>{text}"
"""The template that is written into the family's ``chat``."""


def minicpm_v2(model: Any, tokenizer: Any) -> Pipeline:
    """Show a pair by the steps of the family's ``chat``, up to and with the forward pass of its language model.

    Args:
        model: a ``MiniCPMV`` whose language model is a MiniCPM.
        tokenizer: its tokenizer.
    """

    def run(image: Image.Image, text: str) -> None:
        for tag in (tokenizer.im_start, tokenizer.im_end):
            if tag in text:
                raise MIRDataError(f"the text contains this model's image placeholder {tag!r}; remove it")
        images, place = _slices(model, tokenizer, image)
        ids = _token_ids(tokenizer, TEMPLATE.format(image=place, text=text))
        inputs = {
            "input_ids": ids[None].to(model.device),
            "image_bound": [_bounds(tokenizer, ids)],
            "pixel_values": [[model.transform(each).to(model.device) for each in images]],
        }
        embeds, _ = model.get_vllm_embedding(inputs)
        model.llm.model(inputs_embeds=embeds, use_cache=False)

    return Pipeline(run, tokenizer, hashlib.sha256(TEMPLATE.encode()).hexdigest(), "chat_template")


def _slices(model: Any, tokenizer: Any, image: Image.Image) -> tuple[list[Image.Image], str]:
    """The image's slices and its place in the prompt."""
    if getattr(model.config, "slice_mode", False):
        images, place = model.get_slice_image_placeholder(image, tokenizer)
        return images, place
    queries = tokenizer.unk_token * model.config.query_num
    return [image], tokenizer.im_start + queries + tokenizer.im_end


def _token_ids(tokenizer: Any, prompt: str) -> torch.Tensor:
    """[sequence] int64: the prompt's tokens with one BOS token before them, be it the tokenizer's habit or not."""
    ids = list(tokenizer(prompt)["input_ids"])
    return torch.tensor(ids if ids[0] == tokenizer.bos_token_id else [tokenizer.bos_token_id, *ids])


def _bounds(tokenizer: Any, ids: torch.Tensor) -> torch.Tensor:
    """[images, 2]: first position of each image's rows, and the position behind its last."""
    start, end = (
        ids.eq(tokenizer.convert_tokens_to_ids(tag)).nonzero().squeeze(1)
        for tag in (tokenizer.im_start, tokenizer.im_end)
    )
    return torch.stack([start + 1, end], dim=1)
