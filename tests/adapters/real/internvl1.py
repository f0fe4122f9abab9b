"""InternVL-1.0 with a CLIP tower: OpenGVLab/InternVL@2410d1d, folder internvl_chat_llava.

Shims:
- ``llava`` and ``llava.model`` without their __init__, which also import MPT and names that
  transformers dropped with it;
- ``internvl_14b`` (the Q-LLaMA tower) stubbed for the same reason;
- ``timm.models.layers``, which timm has renamed.
"""

import sys

import timm.layers

from tests.adapters.real.common import (
    Shown,
    clip_tower,
    llava_config,
    llava_ids,
    package,
    randomise,
    spliced,
    stub,
)
from tests.adapters.stand_ins_llava import plain_tokenizer


def load(clone):
    folder = next(each for each in (clone / "internvl_chat_llava", clone) if (each / "llava").is_dir())
    sys.path.insert(0, str(folder))
    sys.modules["timm.models.layers"] = timm.layers
    package("llava", folder / "llava")
    package("llava.model", folder / "llava/model")
    tower = "llava.model.multimodal_encoder.internvl_14b"
    stub(tower)
    stub(f"{tower}.configuration_internvl", InternVLConfig=type("InternVLConfig", (), {}))
    stub(f"{tower}.modeling_internvl", InternVLModel=type("InternVLModel", (), {}))
    from llava.conversation import conv_templates
    from llava.mm_utils import process_images, tokenizer_image_token
    from llava.model.language_model.llava_llama import LlavaConfig, LlavaLlamaForCausalLM

    tokenizer = plain_tokenizer()
    config = LlavaConfig(**llava_config(tokenizer, clip_tower(), image_aspect_ratio="pad"))
    model = LlavaLlamaForCausalLM(config)
    tower = model.get_vision_tower()
    tower.load_model()
    layers = model.model.layers

    def one_pass(image, text):
        ids = llava_ids(conv_templates["vicuna_v1"], text, tokenizer, tokenizer_image_token)
        pixels = process_images([image], tower.image_processor, model.config)
        return spliced(
            lambda: model(input_ids=ids, images=pixels, use_cache=False, return_dict=True), ids, layers[0]
        )

    return Shown(randomise(model), tokenizer, layers, model.model.norm, one_pass)
