"""VILA-1.5 with Vicuna: NVlabs/VILA@ec7fb2c.

Shims:
- ``llava``, ``llava.model`` and ``llava.train`` without their __init__ (servers, training);
- ``s2wrapper``, RADIO and InternViT, for towers that are not used here; two names of ``llava.train``;
- ``no_init_weights`` and ``ContextManagers``, which transformers has moved;
- ``all_tied_weights_keys`` on the projector, asked for by transformers 5's from_pretrained;
- ``crop_size``, which transformers 5 leaves at None and the repository takes for a size where it is there.
"""

import sys
import tempfile

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from tests.adapters.real.common import Shown, llava_ids, missing, package, randomise, spliced, stub
from tests.adapters.stand_ins_llava import plain_tokenizer
from tests.tiny.common import TEXT, VISION

SIDE = 70


def load(clone):
    sys.path.insert(0, str(clone))
    for name in ("llava", "llava.model", "llava.train"):
        package(name, clone / name.replace(".", "/"))
    stub("s2wrapper", forward=None)
    stub("llava.train.sequence_parallel", get_pg_manager=lambda: None)
    stub("llava.train.utils", calculate_loss_weight=lambda labels: 1)
    stub("llava.model.multimodal_encoder.radio_encoder", RADIOVisionTower=None)
    stub("llava.model.multimodal_encoder.intern_encoder", InternVisionTower=None)
    missing("transformers.modeling_utils", no_init_weights=None, ContextManagers=None)
    from llava.conversation import conv_templates
    from llava.mm_utils import process_images, tokenizer_image_token
    from llava.model.language_model.llava_llama import LlavaLlamaConfig, LlavaLlamaModel
    from llava.model.multimodal_projector.base_projector import MultimodalProjector, MultimodalProjectorConfig

    MultimodalProjector.all_tied_weights_keys = {}
    tokenizer, folder = plain_tokenizer(), tempfile.mkdtemp(prefix="vila")
    vision = {**VISION, "hidden_size": 64, "image_size": SIDE}
    _save(f"{folder}/llm", LlamaForCausalLM(LlamaConfig(**TEXT, vocab_size=len(tokenizer))), tokenizer)
    _save(
        f"{folder}/vision_tower",
        SiglipVisionModel(SiglipVisionConfig(**vision)),
        SiglipImageProcessor(size={"height": SIDE, "width": SIDE}),
    )
    config = LlavaLlamaConfig(
        llm_cfg={},
        vision_tower_cfg={},
        mm_projector_cfg={},
        resume_path=folder,
        hidden_size=64,
        mm_hidden_size=64,
        image_aspect_ratio="resize",
        mm_vision_select_layer=-2,
        mm_vision_select_feature="cls_patch",
        model_dtype="torch.float32",
    )
    config._name_or_path = ""
    _save(f"{folder}/mm_projector", MultimodalProjector(MultimodalProjectorConfig("mlp_downsample"), config))
    model = randomise(LlavaLlamaModel(config))
    processor = model.get_vision_tower().image_processor
    if getattr(processor, "crop_size", 0) is None:
        processor.crop_size = processor.size
    stack = model.llm.model

    def one_pass(image, text):
        ids = llava_ids(conv_templates["vicuna_v1"], text, tokenizer, tokenizer_image_token)
        pixels = process_images([image], processor, model.config)
        mask = torch.ones_like(ids)
        return spliced(
            lambda: model(
                input_ids=ids, attention_mask=mask, labels=ids.clone(), images=pixels, use_cache=False
            ),
            ids,
            stack.layers[0],
        )

    return Shown(model, tokenizer, stack.layers, stack.norm, one_pass)


def _save(folder, *parts):
    for part in parts:
        part.save_pretrained(folder)
