"""GLM-4V-9B: XuRui314/GLM4v-Finetune@513b75d (``modeling_chatglm.py``).

That repository lacks ``configuration_chatglm.py``, ``visual.py`` and ``tokenization_chatglm.py``: put those of the
hub's THUDM/glm-4v-9b beside it, whose folder is the path (tried with public copies of these three). Its tokenizer does
not run on transformers 5.

Shims: the config's ``max_length``.
"""

import base64
import tempfile
from pathlib import Path

import torch
from transformers import AddedToken

from tests.adapters.real.cogvlm2 import VISION
from tests.adapters.real.common import Shown, package, randomise

SPECIAL = [
    *("<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>"),
    *("<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>"),
]
ROWS = 4 + 2
"""Vision rows: a grid of 2 x 2, and a learned row at either end."""


def load(clone):
    package("glm4v_clone", clone)
    from glm4v_clone.configuration_chatglm import ChatGLMConfig
    from glm4v_clone.modeling_chatglm import ChatGLMForConditionalGeneration
    from glm4v_clone.tokenization_chatglm import ChatGLM4Tokenizer

    file = Path(tempfile.mkdtemp()) / "bytes.tiktoken"
    file.write_text("\n".join(f"{base64.b64encode(bytes([byte])).decode()} {byte}" for byte in range(256)))
    tokenizer = ChatGLM4Tokenizer(
        str(file),
        image_size=56,
        added_tokens_decoder={256 + at: AddedToken(name, special=True) for at, name in enumerate(SPECIAL)},
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
    )
    begin, end = (tokenizer.convert_tokens_to_ids(name) for name in SPECIAL[-2:])
    config = ChatGLMConfig(
        num_layers=4,
        padded_vocab_size=300,
        hidden_size=64,
        ffn_hidden_size=128,
        kv_channels=16,
        num_attention_heads=4,
        seq_length=1024,
        multi_query_attention=True,
        multi_query_group_num=2,
        add_qkv_bias=True,
        rmsnorm=True,
        original_rope=True,
        boi_token_id=begin,
        eoi_token_id=end,
        vision_config={**VISION, "scaling_factor": 8},
        torch_dtype=torch.float32,
    )
    config.max_length = 1024
    model = randomise(ChatGLMForConditionalGeneration(config, empty_init=False))

    def one_pass(image, text):
        turns = [{"role": "user", "image": image, "content": ""}, {"role": "assistant", "content": text}]
        inputs = tokenizer.apply_chat_template(turns, tokenize=True, return_tensors="pt", return_dict=True)
        row = inputs["input_ids"][0].tolist()
        at = row.index(begin)  # three ids make place for the rows
        vision = [False] * at + [True] * ROWS + [False] * (len(row) - at - 3)
        return lambda: model(**inputs, use_cache=False), vision

    stack = model.transformer.encoder
    return Shown(model, tokenizer, stack.layers, stack.final_layernorm, one_pass)
