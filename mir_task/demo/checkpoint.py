"""Builds the tiny LLaVA: CLIP tower, two-layer MLP projector, Llama; random weights of a fixed seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from mir_task.data import builtin_texts

VOCABULARY = 2048
IMAGE_SIZE, PATCH_SIZE = 112, 14
HIDDEN_SIZE, LAYERS = 128, 6
TRAINED = Path(str(resources.files("mir_task.demo") / "trained"))
"""The small LLaVA after stage 1, from the study, that ``mir_demo`` runs."""

# LLaVA-1.5's, without the system prompt.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{ 'USER: ' if message.role == 'user' else ' ASSISTANT: ' }}
{%- if message.content is string -%}{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{{ '<image>\n' if part.type == 'image' else part.text }}
{%- endfor -%}
{%- endif -%}
{%- if message.role == 'assistant' -%}{{ eos_token }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ ' ASSISTANT:' }}{%- endif -%}"""


def save_checkpoint(folder: str | Path, seed: int = 0) -> Path:
    """Save the model and its processor as an ordinary transformers checkpoint.

    Args:
        folder: is made if needed.
        seed: the weights'; the global random state is left as it was.

    Returns:
        The folder.
    """
    processor = build_processor()
    build_model(processor.tokenizer, seed).save_pretrained(folder)
    processor.save_pretrained(folder)
    return Path(folder)


def build_model(tokenizer: Any, seed: int = 0) -> LlavaForConditionalGeneration:
    """Build the model of about 2.2 million parameters, in float32, on the CPU, in evaluation mode."""
    config = LlavaConfig(
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN_SIZE,
            intermediate_size=344,
            num_hidden_layers=LAYERS,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=2048,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        vision_config=CLIPVisionConfig(
            hidden_size=96,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            image_size=IMAGE_SIZE,
            patch_size=PATCH_SIZE,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlavaForConditionalGeneration(config).eval()


def build_processor() -> LlavaProcessor:
    """Build its processor: CLIP preprocessing and a tokenizer trained on the built-in passages."""
    return LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": IMAGE_SIZE}, crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}
        ),
        tokenizer=build_tokenizer(),
        patch_size=PATCH_SIZE,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
        image_token="<image>",
    )


def build_tokenizer(
    placeholders: Sequence[str] = ("<image>",),
    texts: Iterable[str] | None = None,
    vocabulary: int = VOCABULARY,
) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer with LLaVA's special tokens.

    Args:
        placeholders: further special tokens, for images.
        texts: what it is trained on; by default the built-in passages.
        vocabulary: tokens at most, special ones included.
    """
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[*special.values(), *placeholders],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(builtin_texts() if texts is None else texts, trainer)
    bos = special["bos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=2048,
        additional_special_tokens=list(placeholders),
        # transformers 4.57 would add token_type_ids, which LLaVA's generate refuses.
        model_input_names=["input_ids", "attention_mask"],
        **special,
    )
