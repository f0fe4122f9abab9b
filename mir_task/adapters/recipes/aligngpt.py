"""AlignGPT (AlignGPT-VL/AlignGPT): LLaVA with an align vector behind the BOS token, of neither modality."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from mir_task.adapters.pipeline import Pipeline
from mir_task.adapters.recipes.conversations import prompts_of
from mir_task.adapters.recipes.own_code import image_processor_of, own_module
from mir_task.adapters.recipes.splice import check_uncut
from mir_task.errors import MIRModelError

ALIGN_POSITION = 1


def aligngpt(model: Any, tokenizer: Any, conversation: str | None = None) -> Pipeline:
    """Make the pipeline of ``AlignGPTForCausalLM``; arguments and errors as :func:`.llava.llava` has them.

    A model that no stage was set for gets ``inference``, as in the repository's own scripts.

    Raises:
        MIRModelError: also if the model is in stage ``pretrain``, where each pair needs a level of alignment.
    """
    prompts = prompts_of(model, tokenizer, conversation)
    processor = image_processor_of(model.get_vision_tower())
    process_images = own_module(model, "utils.mm_utils").process_images
    if not hasattr(model, "stage"):
        model.set_stage("inference")
    if model.stage == "pretrain":
        raise MIRModelError(
            "AlignGPT in stage 'pretrain' takes each pair's level of alignment, which no pair has here; measure its "
            "checkpoint with an align_level (mir_task.checkpoints), or call model.set_stage('inference')"
        )

    def run(image: Image.Image, text: str) -> None:
        weight = model.get_input_embeddings().weight
        ids = prompts.token_ids(text).to(weight.device)
        # In place of one placeholder come the image's rows; the align vector is one position more.
        check_uncut(model, ids.shape[1] + model.get_vision_tower().num_patches)
        pixels = process_images([image], processor, model.config).to(weight.device, weight.dtype)
        model(input_ids=ids, attention_mask=torch.ones_like(ids), images=pixels, use_cache=False)

    return Pipeline(run, tokenizer, prompts.fingerprint, "chat_template", neither=(ALIGN_POSITION,))
