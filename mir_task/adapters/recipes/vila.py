"""VILA and NVILA: their repository's own class (NVlabs/VILA), old and new, and the remote code of their checkpoints."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mir_task.adapters.pipeline import Pipeline
from mir_task.adapters.recipes.llava import llava
from mir_task.adapters.recipes.own_code import image_processor_of, own_module
from mir_task.errors import MIRDataError

IMAGE = "<image>"


def vila(model: Any, tokenizer: Any) -> Pipeline:
    """Make the pipeline of ``VILAForCausalLM`` or of the repository's ``LlavaLlamaModel``.

    Args:
        model: the model; it brings its tokenizer, which knows the ids of images.
        tokenizer: the same.

    Raises:
        MIRModelError: the vision tower is not loaded, or the repository's modules are not found.
    """
    if not hasattr(model, "_embed"):  # the repository before NVILA (December 2024) had LLaVA's interface
        return llava(model, tokenizer)
    processor = image_processor_of(model.get_vision_tower())
    mm_utils = own_module(model, "mm_utils")
    tokenize = own_module(model, "tokenizer_utils", "utils.tokenizer").tokenize_conversation

    def token_ids(images: int, text: str) -> Tensor:
        place = IMAGE if images == 1 else f"{IMAGE}\n" * images
        turns = [{"from": "human", "value": place}, {"from": "gpt", "value": text}]
        ids: Tensor = tokenize(turns, model.tokenizer)
        placeholders = torch.tensor(list(model.tokenizer.media_token_ids.values()))
        if torch.isin(ids, placeholders).sum() != images:
            media = " or ".join(map(repr, model.tokenizer.media_tokens.values()))
            raise MIRDataError(f"the text contains one of this model's placeholders {media}; remove it")
        return ids[None]

    def pixels(image: Image.Image) -> tuple[Tensor, dict[str, Any]]:
        config = copy.copy(model.config)  # the repository's code writes into it
        config.image_processor = processor
        if config.image_aspect_ratio == "dynamic":
            return mm_utils.process_image(image, config, None, enable_dynamic_res=True), {}
        if config.image_aspect_ratio == "dynamic_s2":
            if isinstance(config.s2_scales, str):
                config.s2_scales = [int(scale) for scale in config.s2_scales.split(",")]
            tiles, blocks = mm_utils.process_image(image, config, None, enable_dynamic_s2=True)
            return tiles, {"block_sizes": [blocks]}
        return mm_utils.process_images([image], processor, config), {}

    def run(image: Image.Image, text: str) -> None:
        tiles, media_config = pixels(image)
        ids = token_ids(1 if media_config else len(tiles), text)
        weight = next(model.get_mm_projector().parameters())
        model(
            input_ids=ids.to(weight.device),
            media={"image": list(tiles.to(weight.device, weight.dtype))},
            media_config={"image": media_config},
            use_cache=False,
        )

    template = model.tokenizer.decode(token_ids(1, "{text}")[0])
    return Pipeline(run, tokenizer, hashlib.sha256(template.encode()).hexdigest(), "chat_template")
