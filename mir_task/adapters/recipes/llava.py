"""The original LLaVA repository's classes, and what has their interface: InternVL-1.0 and VILA up to 1.5.

LLaVA 1.0 to 1.6 (haotian-liu/LLaVA), InternVL-1.0 (``internvl_chat_llava`` in OpenGVLab/InternVL, classes of the same
names) and VILA up to 1.5 splice the image's rows in where the token ids hold -200.
"""

from __future__ import annotations

import copy
from typing import Any

from PIL import Image

from mir_task.adapters.decoder import find_decoder
from mir_task.adapters.pipeline import Pipeline
from mir_task.adapters.recipes.conversations import prompts_of
from mir_task.adapters.recipes.own_code import image_processor_of, own_module
from mir_task.adapters.recipes.splice import spliced, whole


def llava(model: Any, tokenizer: Any, conversation: str | None = None) -> Pipeline:
    """Make the pipeline of LLaVA's own classes.

    Args:
        model: a ``LlavaLlamaForCausalLM`` or ``LlavaMistralForCausalLM`` with its vision tower loaded.
        tokenizer: its tokenizer.
        conversation: a name in the repository's ``conv_templates``; default: by LLM.

    Raises:
        MIRModelError: the vision tower is not loaded, or there is no such template.
    """
    prompts = prompts_of(model, tokenizer, conversation)
    processor = image_processor_of(model.get_vision_tower())
    process_images = own_module(model, "mm_utils").process_images

    def run(image: Image.Image, text: str) -> None:
        # A copy, since VILA's code writes its image processor into it.
        pixels = process_images([image], processor, copy.copy(model.config))
        embeds = spliced(model, prompts.token_ids(text), images=pixels, image_sizes=[image.size])[-2]
        find_decoder(model).stack(inputs_embeds=whole(model, embeds), use_cache=False)

    return Pipeline(run, tokenizer, prompts.fingerprint, "chat_template")
