"""LLaVA-1.5: haotian-liu/LLaVA@c121f04. No shims."""

import sys

from tests.adapters.real.common import Shown, clip_tower, llava_config, llava_ids, randomise, spliced
from tests.adapters.stand_ins_llava import plain_tokenizer


def load(clone):
    sys.path.insert(0, str(clone))
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
            lambda: model(input_ids=ids, images=pixels, image_sizes=[image.size], use_cache=False),
            ids,
            layers[0],
        )

    return Shown(randomise(model), tokenizer, layers, model.model.norm, one_pass)
