"""Mini-Gemini (dvlab-research/MGM): rows of a low-resolution tower, enriched from a high-resolution one."""

from __future__ import annotations

import copy
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mir_task.adapters.decoder import find_decoder
from mir_task.adapters.pipeline import Pipeline
from mir_task.adapters.recipes.conversations import prompts_of
from mir_task.adapters.recipes.own_code import image_processor_of, own_module
from mir_task.adapters.recipes.splice import spliced, whole


def mini_gemini(model: Any, tokenizer: Any, conversation: str | None = None) -> Pipeline:
    """Make the pipeline of Mini-Gemini's own classes; arguments and errors as :func:`.llava.llava` has them."""
    prompts = prompts_of(model, tokenizer, conversation)
    # A copy, since its sizes are set below; another use of the model may have set them before.
    processor = copy.deepcopy(image_processor_of(model.get_vision_tower()))
    low = dict(getattr(processor, "image_size_raw", processor.crop_size))
    high = getattr(model.config, "image_size_aux", None)
    if high is not None:
        processor.crop_size = {"height": high, "width": high}
        processor.size = {"shortest_edge": high}
    process_images = own_module(model, "mm_utils").process_images

    def run(image: Image.Image, text: str) -> None:
        pixels = process_images([image], processor, model.config)
        images = {"images": pixels}
        if high is not None:
            images = {"images": _low(pixels, model.config, low["height"], low["width"]), "images_aux": pixels}
        embeds = spliced(model, prompts.token_ids(text), **images)[-2]
        find_decoder(model).stack(inputs_embeds=whole(model, embeds), use_cache=False)

    return Pipeline(run, tokenizer, prompts.fingerprint, "chat_template")


def _low(pixels: Tensor, config: Any, height: int, width: int) -> Tensor:
    """Scale the high-resolution image [1, 3, h, w] down to what the low-resolution tower sees.

    Returns:
        [1, 3, height, width]; with ``image_grid`` = g above 1, [1, g * g, 3, height, width], and one more, the whole
        image, with ``image_global``.
    """
    grid = getattr(config, "image_grid", 1)
    low = _resized(pixels, height * grid, width * grid)
    if grid == 1:
        return low
    tiles = low[0].reshape(3, grid, height, grid, width).permute(1, 3, 0, 2, 4).reshape(-1, 3, height, width)
    if getattr(config, "image_global", False):
        tiles = torch.cat([tiles, _resized(low, height, width)])
    return tiles[None]


def _resized(pixels: Tensor, height: int, width: int) -> Tensor:
    return torch.nn.functional.interpolate(pixels, size=(height, width), mode="bilinear", align_corners=False)
