"""CogVLM2: Niky-san/cogvlm2_surce@29bac8a (the hub's THUDM/cogvlm2-llama3-chat-19B has this code).

Shims, all for a machine without a GPU:
- xformers' attention by torch's;
- the triton kernel of the rotary embedding by its formula.
"""

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tests.adapters.real.common import Shown, package, randomise, stub
from tests.tiny.common import TEXT

VISION = {
    "dropout_prob": 0.0,
    "hidden_act": "gelu",
    "in_channels": 3,
    "num_hidden_layers": 3,
    "hidden_size": 64,
    "patch_size": 14,
    "num_heads": 4,
    "intermediate_size": 64,
    "layer_norm_eps": 1e-6,
    "num_positions": 17,
    "image_size": 56,
}


def load(clone):
    stub("xformers").ops = stub("xformers.ops", memory_efficient_attention=_attention)
    package("cogvlm2_clone", clone)
    from cogvlm2_clone import util

    util.apply_rotary_emb_func = _rotary
    from cogvlm2_clone.configuration_cogvlm import CogVLMConfig
    from cogvlm2_clone.modeling_cogvlm import CogVLMForCausalLM

    sizes = {name: value for name, value in TEXT.items() if name != "num_key_value_heads"}
    config = CogVLMConfig(**sizes, num_multi_query_heads=2, vision_config=VISION, template_version="chat")
    model, tokenizer = randomise(CogVLMForCausalLM(config)), _tokenizer()

    def one_pass(image, text):
        built = model.build_conversation_input_ids(tokenizer, query="", images=[image], answer=text)
        inputs = {name: built[name][None] for name in ("input_ids", "token_type_ids", "attention_mask")}
        vision = inputs["token_type_ids"] == 1
        return lambda: model(**inputs, images=[built["images"]], use_cache=False), vision

    return Shown(model, tokenizer, model.model.layers, model.model.norm, one_pass)


def _attention(query, key, value, scale=None):
    heads = (each.transpose(1, 2) for each in (query, key, value))
    return torch.nn.functional.scaled_dot_product_attention(*heads, scale=scale).transpose(1, 2)


def _rotary(states, cos, sin, **_options):
    while cos.ndim < states.ndim:
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    left, right = (half.clone() for half in states.chunk(2, dim=-1))
    states.copy_(torch.cat([left * cos - right * sin, left * sin + right * cos], dim=-1))
    return states


def _tokenizer():
    """A byte tokenizer as long as Llama 3's, whose ids the family's code has in it."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = [*letters, *(f"<filler_{index}>" for index in range(len(letters), 128256))]
    tokenizer = Tokenizer(models.BPE(vocab={name: index for index, name in enumerate(names)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=names[128000], eos_token=names[128001]
    )
