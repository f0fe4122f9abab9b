"""AlignGPT in the stage of its scripts (inference): AlignGPT-VL/AlignGPT@b3ddf5d.

Shim: ``torch.Any``, an annotation that an older torch let through. The align vector before the image's rows is of
neither modality.
"""

import sys
import typing

import torch

from mir_task.adapters import adapter_for
from tests.adapters.real.common import Shown, clip_tower, llava_config, llava_ids, randomise, spliced
from tests.adapters.stand_ins_llava import plain_tokenizer


def load(clone):
    sys.path.insert(0, str(clone))
    torch.Any = typing.Any
    from src.model.aligngpt import AlignGPTConfig, AlignGPTForCausalLM
    from src.utils.conversation import conv_templates
    from src.utils.mm_utils import process_images, tokenizer_image_token

    tokenizer = plain_tokenizer()
    tower = clip_tower(336)  # its gate is written for 576 rows
    model = AlignGPTForCausalLM(AlignGPTConfig(**llava_config(tokenizer, tower, image_aspect_ratio="pad")))
    tower = model.get_vision_tower()
    tower.load_model()
    randomise(model)
    adapter_for(model, tokenizer)  # sets the stage, as the repository's scripts do
    layers = model.model.layers

    def one_pass(image, text):
        ids = llava_ids(conv_templates["vicuna_v1"], text, tokenizer, tokenizer_image_token)
        pixels = process_images([image], tower.image_processor, model.config)
        mask = torch.ones_like(ids)
        return spliced(
            lambda: model(input_ids=ids, attention_mask=mask, images=pixels, use_cache=False),
            ids,
            layers[0],
            skip=1,
        )

    return Shown(model, tokenizer, layers, model.model.norm, one_pass)
