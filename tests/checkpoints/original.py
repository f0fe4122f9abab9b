"""Tiny checkpoints in the original layouts of LLaVA and AlignGPT, written from the formats' description.

Nothing of mir_task.checkpoints is used here: what it loads is compared with what these functions wrote.
"""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from mir_task.demo.checkpoint import build_tokenizer

IMAGE_SIZE, PATCH = 56, 14
ROWS = (IMAGE_SIZE // PATCH) ** 2
WIDTH, VISION_WIDTH, LAYERS = 64, 48, 3


def save_llm(folder, width=WIDTH, seed=1, tie=False):
    tokenizer = build_tokenizer(placeholders=())
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=tie,
    )
    torch.manual_seed(seed)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)


def save_tower(folder, kind="clip", seed=2):
    sizes = {
        "hidden_size": VISION_WIDTH,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": IMAGE_SIZE,
        "patch_size": PATCH,
    }
    torch.manual_seed(seed)
    if kind == "clip":
        CLIPVisionModel(CLIPVisionConfig(**sizes)).save_pretrained(folder)
        crop = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
        CLIPImageProcessor(size={"shortest_edge": IMAGE_SIZE}, crop_size=crop).save_pretrained(folder)
    else:
        SiglipVisionModel(SiglipVisionConfig(**sizes)).save_pretrained(folder)
        SiglipImageProcessor(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}).save_pretrained(folder)
    return Path(folder)


class Linear(NamedTuple):
    """One linear layer: its key in the original code, weight [out, in] and bias [out]."""

    key: str
    weight: Tensor
    bias: Tensor


def linears(projector_type, vision_width=VISION_WIDTH, width=WIDTH, seed=3):
    """The linear layers of a projector, in order."""
    generator = torch.Generator().manual_seed(seed)
    depth = 1 if projector_type == "linear" else int(projector_type[3:].split("x")[0])
    layers = []
    for index in range(depth):
        inputs = vision_width if index == 0 else width
        weight = torch.randn(width, inputs, generator=generator) / inputs**0.5
        key = "mm_projector" if projector_type == "linear" else f"mm_projector.{2 * index}"
        layers.append(Linear(key, weight, torch.randn(width, generator=generator) * 0.1))
    return layers


def projector_state(projector_type, prefix="model.", **sizes):
    """Tensors of a projector under the original code's keys."""
    state = {}
    for key, weight, bias in linears(projector_type, **sizes):
        state[f"{prefix}{key}.weight"], state[f"{prefix}{key}.bias"] = weight, bias
    return state


def config_of(llm, tower, **changes):
    """``config.json`` of a stage 1 as the original code writes it: the LLM's with additions."""
    return {
        **json.loads((Path(llm) / "config.json").read_text()),
        "architectures": ["LlavaLlamaForCausalLM"],
        "model_type": "llava_llama",
        "mm_vision_tower": str(tower),
        "mm_projector_type": "mlp2x_gelu",
        "mm_hidden_size": VISION_WIDTH,
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_patch_merge_type": "flat",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "image_aspect_ratio": "square",
        "tune_mm_mlp_adapter": True,
        "use_mm_proj": True,
        **changes,
    }


def write(folder, config, **files):
    """A folder with ``config.json``, unless config is None, and a ``.bin`` file for each name."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    for name, state in files.items():
        torch.save(state, folder / f"{name}.bin")
    return folder


def save_stage1(folder, llm, tower, projector_type="mlp2x_gelu", state=None, **changes):
    config = config_of(llm, tower, mm_projector_type=projector_type, **changes)
    return write(folder, config, mm_projector={**projector_state(projector_type), **(state or {})})


def llm_state(llm):
    return dict(LlamaForCausalLM.from_pretrained(llm).state_dict())


def align_state(width=WIDTH, rows=ROWS, gate=False, seed=4):
    generator = torch.Generator().manual_seed(seed)
    state = {"align_indicators.indicator_embs": torch.randn(8, width, generator=generator)}
    if gate:
        shapes = {
            "mlp.0.weight": (256, rows),
            "mlp.0.bias": (256,),
            "mlp.2.weight": (7, 256),
            "mlp.2.bias": (7,),
        }
        for name, shape in shapes.items():
            state[f"gated_weight_layer.{name}"] = torch.randn(shape, generator=generator) / 4
    return state


def save_full(folder, config, state):
    """A whole model with its tokenizer."""
    folder = write(folder, config, pytorch_model=state)
    build_tokenizer(placeholders=()).save_pretrained(folder)
    return folder


def save_align1(folder, llm, tower):
    config = config_of(llm, tower, model_type="aligngpt", architectures=["AlignGPTForCausalLM"])
    state = {**projector_state("mlp2x_gelu", prefix=""), **align_state()}
    return write(folder, config, mm_projector_align=state)


def save_align2(folder, llm, tower, rows=ROWS):
    config = config_of(
        llm, tower, model_type="aligngpt", architectures=["AlignGPTForCausalLM"], tune_mm_mlp_adapter=False
    )
    state = {
        **llm_state(llm),
        **projector_state("mlp2x_gelu", prefix=""),
        **align_state(gate=True, rows=rows),
    }
    return save_full(folder, config, state)
