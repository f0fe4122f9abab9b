"""MiniCPM-Llama3-V 2.5 and MiniCPM-V 2.6, by tokenizer.

2.5: theonlyengine/VQA_Model@4520826, 2.6: wusongbai139/AnyCaption@ccb1092 (folder MiniCPM-V-2_6). The path is that of
``modeling_minicpmv.py``'s folder; a clone of the hub's repository has the same files.

Shims: ``torch.nn.functional.List``, which an older torch let through, and those of :func:`old_names`.
"""

import json
import shutil
import tempfile
import typing
from pathlib import Path

import torch
from transformers import AutoConfig, AutoProcessor, AutoTokenizer
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from tests.adapters.real.common import Shown, missing, randomise
from tests.tiny.common import OLD, VISION, byte_tokenizer

SPECIAL = [
    *("<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<用户>", "<AI>"),
    *(
        f"<{slash}{name}>"
        for name in ("image", "ref", "box", "quad", "point", "slice", "image_id")
        for slash in ("", "/")
    ),
]
TEXT = {
    "hidden_size": 128,  # the resampler has heads of 128
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 4096,
}
QUERIES = 4


def load(clone):
    torch.nn.functional.List = typing.List  # noqa: UP006
    old_names()
    shown = json.loads((clone / "preprocessor_config.json").read_text())
    shown.update(max_slice_nums=4, scale_resolution=56, image_feature_size=QUERIES)
    shown["unk"] = (
        "<|endoftext|>"  # the image's place; the byte tokenizer's <unk> has id 0, which is padding for 2.6
    )
    config = json.loads((clone / "config.json").read_text())
    config["vision_config"].update({**VISION, "image_size": 70})
    config["slice_config"].update(max_slice_nums=4, patch_size=14, scale_resolution=56)
    config.update(TEXT, query_num=QUERIES, image_size=56)
    bos = shown["version"] < 2.6  # Llama 3's tokenizer begins with a BOS token, Qwen2's does not
    folder = tiny_folder(clone, config, byte_tokenizer(*SPECIAL, post=bos))
    (folder / "preprocessor_config.json").write_text(json.dumps(shown))
    model, tokenizer = built(folder)
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)

    def one_pass(image, text):
        turns = [{"role": "user", "content": ""}, {"role": "assistant", "content": text}]
        return watched(
            model,
            lambda: model.chat(
                image=image,
                msgs=turns,
                tokenizer=tokenizer,
                processor=processor,
                sampling=False,
                num_beams=1,
                max_new_tokens=1,
                max_inp_length=4096,
            ),
        )

    stack = model.llm.model
    return Shown(model, tokenizer, stack.layers, stack.norm, one_pass, number=32)


def old_names():
    """Names that the code imports and transformers 5 has dropped; without padding the masks are causal or None."""
    missing("transformers.utils.import_utils", is_torch_fx_available=lambda: False)
    missing("transformers.pytorch_utils", is_torch_greater_or_equal_than_1_13=True)
    missing(
        "transformers.modeling_attn_mask_utils",
        AttentionMaskConverter=None,
        _prepare_4d_attention_mask=_wide_mask,
        _prepare_4d_causal_attention_mask=lambda _mask, shape, embeds, _past: torch.full(
            (shape[0], 1, shape[1], shape[1]), torch.finfo(embeds.dtype).min
        ).triu(1),
        _prepare_4d_causal_attention_mask_for_sdpa=lambda *_: None,
    )


def _wide_mask(mask, dtype):
    closed = (1 - mask[:, None, None].to(dtype)) * torch.finfo(dtype).min
    return closed.expand(-1, 1, mask.shape[1], -1)


def tiny_folder(clone, config, tokenizer=None):
    """A checkpoint's folder of the clone's code, small sizes and a byte tokenizer of the family's class."""
    folder = Path(tempfile.mkdtemp(prefix="minicpm"))
    for file in clone.glob("*.py"):
        shutil.copy(file, folder)
    config.update(vocab_size=600, torch_dtype="float32", _name_or_path=str(folder))
    (folder / "config.json").write_text(json.dumps(config))
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
        kept = json.loads((folder / "tokenizer_config.json").read_text())
        own = json.loads((clone / "tokenizer_config.json").read_text())
        names = ("auto_map", "tokenizer_class", "chat_template")
        kept.update({name: own[name] for name in names if name in own})
        (folder / "tokenizer_config.json").write_text(json.dumps(kept))
    return folder


def built(folder, **entries):
    """The family's own class at random weights, and its tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
    config._name_or_path = str(folder)
    for name, value in entries.items():
        setattr(config, name, value)
    if not OLD and not hasattr(config, "rope_theta"):  # transformers 5 keeps it elsewhere
        config.rope_theta = 10000.0
    model = get_class_from_dynamic_module("modeling_minicpmv.MiniCPMV", str(folder))(config)
    return randomise(model, 0.05), tokenizer


def watched(model, run):
    """A pass, and a mask that it fills from the bounds which the family writes its rows into."""
    mask = []
    own = model.get_vllm_embedding

    def spy(data):
        embeds = own(data)
        bounds = data["image_bound"][0].tolist()
        mask[:] = [any(a <= at < b for a, b in bounds) for at in range(embeds[0].shape[1])]
        return embeds

    def forward():
        model.get_vllm_embedding = spy
        run()
        del model.get_vllm_embedding

    return forward, mask
