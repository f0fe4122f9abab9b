"""Mini-Gemini with Vicuna: dvlab-research/MGM@769820c.

Shims:
- ``transformers.deepspeed``, which moved, and deepspeed itself, which serves ZeRO-3 alone;
- ``timm.models.layers``, which timm has renamed;
- the weights of the second tower (OpenCLIP's ConvNeXt, files of 1 GB): its own wrapper around a tiny stem and stages.
"""

import copy
import sys

import timm.layers
import transformers.image_transforms  # noqa: F401  the repository takes it for imported
from torch import nn

from tests.adapters.real.common import Shown, clip_tower, llava_config, llava_ids, randomise, spliced, stub
from tests.adapters.stand_ins_llava import plain_tokenizer

HIGH = 112
"""Side of the picture for the second tower."""


def load(clone):
    sys.path.insert(0, str(clone))
    sys.modules["timm.models.layers"] = timm.layers
    for name in ("transformers.deepspeed", "deepspeed"):
        stub(name, is_deepspeed_zero3_enabled=lambda: False, deepspeed_config=lambda: None)
    from mgm.conversation import conv_templates
    from mgm.mm_utils import process_images, tokenizer_image_token
    from mgm.model.language_model.mgm_llama import MGMConfig, MGMLlamaForCausalLM
    from mgm.model.multimodal_encoder.openclip_encoder import OpenCLIPVisionTower

    del sys.modules["deepspeed"]  # accelerate asks whether it is installed
    tokenizer = plain_tokenizer()
    more = {
        "image_size_aux": HIGH,
        "image_grid": 1,
        "image_global": False,
        "image_aspect_ratio": "pad",
        "mm_hidden_size_aux": 24,
    }
    model = MGMLlamaForCausalLM(MGMConfig(**llava_config(tokenizer, clip_tower(), **more)))
    tower = model.get_vision_tower()
    tower.load_model()
    inner = model.get_model()
    inner.vision_tower_aux = _second_tower(OpenCLIPVisionTower)
    for name, width in (("query", 64), ("aux", 24), ("val", 24)):
        projector = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64))
        setattr(inner, f"vlm_uni_{name}_projector", projector)
    processor = copy.deepcopy(tower.image_processor)
    low = processor.crop_size["height"]
    processor.crop_size = {"height": HIGH, "width": HIGH}
    processor.size = {"shortest_edge": HIGH}
    layers = model.model.layers

    def one_pass(image, text):
        ids = llava_ids(conv_templates["vicuna_v1"], text, tokenizer, tokenizer_image_token)
        high = process_images([image], processor, model.config)
        pixels = nn.functional.interpolate(high, size=[low, low], mode="bilinear", align_corners=False)
        return spliced(
            lambda: model(input_ids=ids, images=pixels, images_aux=high, use_cache=False, return_dict=True),
            ids,
            layers[0],
        )

    return Shown(randomise(model), tokenizer, layers, model.model.norm, one_pass)


def _second_tower(cls):
    tower = cls.__new__(cls)
    nn.Module.__init__(tower)
    tower.is_loaded, tower.is_optimize, tower.model_channel = True, False, [8, 16]
    tower.vision_stem = nn.Sequential(nn.Conv2d(3, 8, 4, 4))
    tower.vision_stages = nn.ModuleList([nn.Conv2d(8, 8, 1), nn.Conv2d(8, 16, 2, 2)])
    return tower
