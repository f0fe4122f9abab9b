"""InternLM-XComposer2.5: InternLM/InternLM-XComposer@0f70c3e.

Its code lies in InternLM-XComposer-2.5-OmniLive/internlm-xcomposer2d5-ol-7b/base, and the clone is enough: the real
``tokenizer.model`` is in it, and what the code would fetch (a font, the weights of its CLIP tower) is not needed here.

Shims:
- the font, which draws titles on videos' frames and is read from the hub, and ``decord``, which reads videos;
- the CLIP tower: random weights in place of a checkpoint of 560 x 560 pixels, with its grid of 40 x 40 patches;
- the width of 4096 that projectors and the two learned separators have whatever the config says;
- ``rope_scaling`` and ``max_length`` of the config: transformers 5 answers the first with a dictionary, and lacks the
  second.
"""

import tempfile
from pathlib import Path

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from tests.adapters.real.common import Shown, missing, package, randomise
from tests.tiny.common import TEXT, VISION

BASE = "InternLM-XComposer-2.5-OmniLive/internlm-xcomposer2d5-ol-7b/base"
TOWER = {**VISION, "hidden_size": 16, "num_attention_heads": 2, "image_size": 560, "patch_size": 14}
WIDTH = 64
"""Width of the decoder, and of four of the tower's rows side by side."""


def load(clone):
    folder = next(each for each in (clone / BASE, clone) if (each / "build_mlp.py").is_file())
    missing("decord", VideoReader=None)
    package("xcomposer2_5_clone", folder)
    from xcomposer2_5_clone import build_mlp, ixc_utils

    build_mlp.CLIPVisionTower.load_model = _tower
    build_mlp.build_vision_projector = lambda *_: nn.Sequential(
        nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 64)
    )
    ixc_utils.get_font = lambda: None
    from xcomposer2_5_clone.configuration_internlm_xcomposer2 import InternLMXcomposer2Config
    from xcomposer2_5_clone.modeling_internlm_xcomposer2 import InternLMXComposer2ForCausalLM
    from xcomposer2_5_clone.tokenization_internlm2 import InternLM2Tokenizer

    tokenizer = InternLM2Tokenizer(str(folder / "tokenizer.model"))
    config = InternLMXcomposer2Config(**TEXT, vocab_size=92544, bias=False, attn_implementation="eager")
    config.rope_scaling, config.max_length = None, 2048
    model = InternLMXComposer2ForCausalLM(config)
    model.plora_glb_GN = nn.Parameter(torch.zeros(1, 1, WIDTH))
    model.plora_sub_GN = nn.Parameter(torch.zeros(1, 1, 1, WIDTH))

    def one_pass(image, text):
        with tempfile.TemporaryDirectory() as scratch, torch.no_grad():
            path = Path(scratch, "image.png")
            image.save(path)
            model.tokenizer = tokenizer  # its code reads it from here; a loaded model has none
            inputs, vision, _ = model.interleav_wrap_chat("<ImageHere>", [str(path)])
            model.tokenizer = None
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
        embeds = torch.cat([inputs["inputs_embeds"], model.model.tok_embeddings(ids)], dim=1)
        vision = torch.cat([vision, torch.zeros(1, ids.shape[1], dtype=torch.bool)], dim=1)
        return lambda: model(inputs_embeds=embeds, im_mask=vision, use_cache=False), vision

    stack = model.model
    return Shown(randomise(model), tokenizer, stack.layers, stack.norm, one_pass, number=4)


def _tower(tower):
    tower.vision_tower = CLIPVisionModel(CLIPVisionConfig(**TOWER))
    tower.is_loaded = True
