"""Cambrian-1 (cambrian-mllm/cambrian): several towers, and a connector that works between decoder layers too."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mir_task.adapters.pipeline import Pipeline
from mir_task.adapters.recipes.cambrian_connector import Sampled, connected
from mir_task.adapters.recipes.conversations import IMAGE_ID, prompts_of
from mir_task.adapters.recipes.own_code import image_processor_of, own_module
from mir_task.adapters.recipes.splice import spliced, whole
from mir_task.errors import MIRModelError

ANSWER = "<|start_header_id|>assistant<|end_header_id|>"
"""What the template for Llama 3 always ends with; the repository's training cuts it off."""


def cambrian(model: Any, tokenizer: Any, conversation: str | None = None) -> Pipeline:
    """Make the pipeline of ``CambrianLlamaForCausalLM``; arguments and errors as :func:`.llava.llava` has them.

    The model's own ``forward`` leaves out the connector between decoder layers unless its ``generate`` has run before,
    and is written for decoder layers that transformers no longer has. So transformers' forward runs here, and the
    connector's samplers follow the layers that they follow in the repository.
    """
    from transformers import LlamaModel  # a large module, which no other family needs

    prompts = prompts_of(model, tokenizer, conversation, tail=ANSWER)
    processors = [image_processor_of(tower) for tower in model.get_vision_tower_aux_list()]
    expand2square = own_module(model, "mm_utils").expand2square

    def pixels(image: Image.Image, processor: Any) -> Tensor:
        # As the repository's process_images does it, which works on CUDA alone.
        if hasattr(processor, "image_mean"):
            side = processor.crop_size["height"]
            image = expand2square(image, tuple(int(x * 255) for x in processor.image_mean)).resize(
                (side, side)
            )
        values: Tensor = torch.as_tensor(processor.preprocess(image, return_tensors="pt")["pixel_values"][0])
        return values[None]

    def run(image: Image.Image, text: str) -> None:
        ids = prompts.token_ids(text)
        images = [pixels(image, processor) for processor in processors]
        prepared = spliced(model, ids, images=images, image_sizes=[image.size])
        embeds, (features, masks, sizes, context) = whole(model, prepared[4]), prepared[6:10]
        stack = model.get_model()
        if features is None or model.config.connector_only:
            LlamaModel.forward(stack, inputs_embeds=embeds, use_cache=False)
            return
        first = int(ids[0].eq(IMAGE_ID).nonzero())
        if first != model.config.image_position:
            raise MIRModelError(
                f"{type(model).__name__}: the image begins at position {first}, its connector works from position "
                f"{model.config.image_position} on (config.image_position); this is not the conversation that it was "
                "trained with: choose another by cambrian(model, tokenizer, conversation=…)"
            )
        with connected(stack, first, Sampled(features, masks, sizes[0], context)):
            LlamaModel.forward(stack, inputs_embeds=embeds, use_cache=False)

    return Pipeline(run, tokenizer, prompts.fingerprint, "chat_template")
