"""Qwen-VL-Chat with its real tokenizer: x1ngzai/Qwen-VL-Chat-Int4@1cd721a (the hub's Qwen/Qwen-VL-Chat has this code).

Shims:
- ``transformers_stream_generator``, imported for ``chat_stream`` alone: an empty module;
- ``GenerationMixin`` as a base, which from_pretrained adds on transformers 4.57;
- ``get_head_mask``, which transformers 5 has dropped: no mask.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from transformers import AutoConfig, AutoTokenizer, GenerationConfig, GenerationMixin, PreTrainedModel
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from tests.adapters.real.common import Shown, randomise, stub

SIZES = {
    "hidden_size": 128,  # the resampler has heads of 128
    "intermediate_size": 256,
    "kv_channels": 32,
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
}
VISUAL = {"heads": 4, "image_size": 56, "layers": 2, "mlp_ratio": 2, "output_dim": 128, "width": 64}
PROMPT = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\nPicture 1: <img>{path}</img>\n<|im_end|>\n"
    "<|im_start|>assistant\n{text}<|im_end|>\n"
)


def load(clone):
    stub("transformers_stream_generator")
    folder = Path(tempfile.mkdtemp(prefix="qwen"))
    for file in [*clone.glob("*.py"), clone / "qwen.tiktoken", clone / "tokenizer_config.json"]:
        shutil.copy(file, folder)
    config = json.loads((clone / "config.json").read_text())
    config.pop("quantization_config", None)
    config.update(SIZES, fp16=False, bf16=False, fp32=True, torch_dtype="float32")
    config["visual"].update(VISUAL)
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    cls = get_class_from_dynamic_module("modeling_qwen.QWenLMHeadModel", str(folder))
    if not issubclass(cls, GenerationMixin):
        cls.__bases__ = (*cls.__bases__, GenerationMixin)
    if not hasattr(cls, "get_head_mask"):
        PreTrainedModel.get_head_mask = lambda self, mask, layers, *_: [None] * layers
    model = randomise(cls(AutoConfig.from_pretrained(folder, trust_remote_code=True)), 0.05)
    model.generation_config = GenerationConfig(**json.loads((clone / "generation_config.json").read_text()))

    def one_pass(image, text):
        path = folder / "shown.png"
        ids = tokenizer(PROMPT.format(path=path, text=text), return_tensors="pt")["input_ids"]
        row = ids[0].tolist()
        first, last = row.index(tokenizer.img_start_id), row.index(tokenizer.img_end_id)

        def forward():
            image.save(path)
            model(ids, attention_mask=torch.ones_like(ids), use_cache=False)

        return forward, [first < at < last for at in range(len(row))]

    stack = model.transformer
    return Shown(model, tokenizer, stack.h, stack.ln_f, one_pass)
