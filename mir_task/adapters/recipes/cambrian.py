"""Cambrian-1 (cambrian-mllm/cambrian): several towers, and a connector that works between decoder layers too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import LlamaModel

from mir_task.adapters.pipeline import Pipeline
from mir_task.adapters.recipes.conversations import IMAGE_ID, prompts_of
from mir_task.adapters.recipes.llava import checked, spliced
from mir_task.adapters.recipes.own_code import image_processor_of, own_module
from mir_task.errors import MIRModelError

ANSWER = "<|start_header_id|>assistant<|end_header_id|>"
"""What the template for Llama 3 always ends with; the repository's training cuts it off."""


class Sampled(NamedTuple):
    """What the connector between decoder layers samples from."""

    features: list[Tensor]
    masks: list[Tensor]
    size: tuple[int, int]
    """Rows and columns of the image's grid of positions."""
    context: Tensor


def cambrian(model: Any, tokenizer: Any, conversation: str | None = None) -> Pipeline:
    """Make the pipeline of ``CambrianLlamaForCausalLM``; arguments and errors as :func:`.llava.llava` has them.

    The model's own ``forward`` leaves out the connector between decoder layers unless its ``generate`` has run before,
    and is written for decoder layers that transformers no longer has. So transformers' forward runs here, and the
    connector's samplers follow the layers that they follow in the repository.
    """
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
        embeds, (features, masks, sizes, context) = checked(model, prepared[4]), prepared[6:10]
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
        with _connected(stack, first, Sampled(features, masks, sizes[0], context)):
            LlamaModel.forward(stack, inputs_embeds=embeds, use_cache=False)

    return Pipeline(run, tokenizer, prompts.fingerprint, "chat_template")


@contextmanager
def _connected(stack: Any, first: int, sampled: Sampled) -> Iterator[None]:
    """Let the connector's samplers work on what their decoder layers put out."""
    start, stride = stack.config.start_of_vision_sampler_layers, stack.config.stride_of_vision_sampler_layers
    after = dict(zip(range(start, len(stack.layers), stride), stack.vision_sampler_layers, strict=False))
    hooks = {layer: _sampling(sampler, first, sampled) for layer, sampler in after.items()}
    handles = [stack.layers[layer].register_forward_hook(hook) for layer, hook in hooks.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _sampling(sampler: nn.Module, first: int, sampled: Sampled) -> Any:
    height, width = sampled.size

    def hook(_layer: nn.Module, _args: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        # Each row of the grid ends with a newline, which the sampler does not see.
        image = hidden[0, first : first + height * (width + 1)].view(height, width + 1, -1)
        queries = image[:, :-1].reshape(height * width, 1, -1)
        rows = sampler(queries, sampled.context, *sampled.features, *sampled.masks)
        image[:, :-1] = rows.view(height, width, -1)  # a view of hidden
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    return hook
