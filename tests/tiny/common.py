"""Tools to make tiny models: a byte tokenizer, chat templates, sizes, random weights."""

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

OLD = transformers.__version__.startswith("4.")
"""Whether this is transformers 4.57, the oldest that is supported."""

TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 14,
}


def rope(**parameters):
    """Rotary embeddings' entry of a config, whose name depends on the version of transformers."""
    parameters = {"rope_type": "default", "rope_theta": 10000.0, **parameters}
    return {"rope_scaling" if OLD else "rope_parameters": parameters}


def byte_tokenizer(*special, old="PreTrainedTokenizerFast", post=True, **kwargs):
    """A tokenizer of one token a byte, and the special tokens.

    Args:
        old: the class that processors of transformers 4.57 insist on.
        post: put the BOS token first.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<unk>", "<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>", *special]
    vocabulary = {token: index for index, token in enumerate([*special, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    if post:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])]
        )
    tokenizer.add_special_tokens(special)
    wrapped = getattr(transformers, old if OLD else "PreTrainedTokenizerFast")(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=special[4:],
        **kwargs,
    )
    wrapped.model_input_names = ["input_ids", "attention_mask"]
    return wrapped


def chat_template(image):
    """ChatML, the image's placeholder where the image is."""
    return (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n"
        "{% for part in message.content %}{% if part.type == 'image' %}" + image + "\n"
        "{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    )


def special_ids(tokenizer):
    """A text config's entries that depend on the tokenizer."""
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {"vocab_size": len(tokenizer), **{name: getattr(tokenizer, name) for name in names}}


def random(cls, config, seed=0):
    """A model of random weights in evaluation mode; weights that start at zero are random too.

    Zeros would make tests blind: learned rows (newlines, queries) would all be alike.
    """
    torch.manual_seed(seed)
    model = cls(config).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return model
