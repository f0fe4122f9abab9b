"""A random LLaVA of a given shape, in transformers' own class, with pairs that are as long as asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from mir_task import Pair
from mir_task.adapters import adapter_for
from mir_task.adapters.base import Adapter, Inputs, truncate
from mir_task.data import builtin_pairs
from mir_task.demo.checkpoint import build_processor

PATCH = 14
VOCABULARY = 32064
PASSAGES = 5
"""Built-in passages that make one long text."""
WARM_UP = 2
"""Pairs that the model is shown beforehand, so that libraries are loaded and kernels chosen."""


@dataclass(frozen=True)
class Shape:
    """Shape of a model and of its pairs; the defaults are LLaVA-1.5-7B's. Other widths keep its proportions."""

    layers: int = 32
    d: int = 4096
    """Hidden size."""
    pairs: int = 100
    vision_tokens: int = 576
    """Tokens of an image; a square number."""
    text_tokens: int = 824
    """Positions after an image, the template's included."""
    prompt_tokens: int = 7
    """Positions before an image, which belong to neither modality."""

    def __post_init__(self) -> None:
        if math.isqrt(self.vision_tokens) ** 2 != self.vision_tokens:
            raise ValueError(f"vision_tokens must be a square number, got {self.vision_tokens}")
        if self.d % self.heads or self.d // self.heads % 2:
            raise ValueError(f"hidden must be a multiple of 128 or an even number below 256, got {self.d}")

    @property
    def sequence(self) -> int:
        """Positions of a forward pass."""
        return self.prompt_tokens + self.vision_tokens + self.text_tokens

    @property
    def intermediate(self) -> int:
        """Width of the decoder's MLPs."""
        return 43 * self.d // 16

    @property
    def heads(self) -> int:
        """Attention heads of a decoder layer."""
        return max(self.d // 128, 1)

    @property
    def vision_d(self) -> int:
        """Width of the vision tower."""
        return max(self.d // 4 // 64, 1) * 64

    @property
    def vision_layers(self) -> int:
        """Layers of the vision tower."""
        return max(3 * self.layers // 4, 2)

    def rows(self) -> tuple[int, int]:
        """Vision rows and text rows of all pairs."""
        return self.pairs * self.vision_tokens, self.pairs * self.text_tokens


class Prepared(NamedTuple):
    """What all methods are timed on."""

    model: Any
    processor: Any
    pairs: list[Pair]
    max_text_tokens: int
    """More than the texts have."""
    inputs: list[Inputs]
    """Each pair prepared, for forward passes alone."""


def prepare(shape: Shape, device: str, dtype: str) -> Prepared:
    """Build model, processor and pairs, and run the model once or twice."""
    processor = build_processor()
    side = math.isqrt(shape.vision_tokens) * PATCH
    processor.image_processor.size = {"shortest_edge": side}
    processor.image_processor.crop_size = {"height": side, "width": side}
    torch.manual_seed(0)
    with torch.device(device):
        model = LlavaForConditionalGeneration._from_config(
            config(shape, processor.tokenizer), dtype=getattr(torch, dtype)
        )
    adapter = adapter_for(model.eval(), processor)
    pairs = [pair._replace(text=exact_text(adapter, pair.text, shape)) for pair in long_pairs(shape.pairs)]
    inputs = [adapter.prepare(pair.image, pair.text, shape.text_tokens) for pair in pairs]
    with torch.inference_mode():
        for some in inputs[:WARM_UP]:
            adapter.prefill(some)
    return Prepared(model, processor, pairs, shape.text_tokens, inputs)


def config(shape: Shape, tokenizer: Any) -> LlavaConfig:
    """Configuration of a LLaVA of this shape."""
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    return LlavaConfig(
        text_config=LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=shape.d,
            intermediate_size=shape.intermediate,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.heads,
            max_position_embeddings=4096,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        vision_config=CLIPVisionConfig(
            hidden_size=shape.vision_d,
            intermediate_size=4 * shape.vision_d,
            num_hidden_layers=shape.vision_layers,
            num_attention_heads=shape.vision_d // 64,
            image_size=math.isqrt(shape.vision_tokens) * PATCH,
            patch_size=PATCH,
        ),
        image_token_id=image_id,
        image_token_index=image_id,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )


def long_pairs(count: int) -> list[Pair]:
    """Built-in images, each with a text of its own of at least a thousand tokens."""
    builtin = builtin_pairs()
    known = [builtin[number % len(builtin)] for number in range(count + PASSAGES)]
    return [
        Pair(
            known[number].image, "\n\n".join(pair.text for pair in known[number : number + PASSAGES]), number
        )
        for number in range(count)
    ]


def exact_text(adapter: Adapter, text: str, shape: Shape) -> str:
    """Cut a text such that, with what the template puts after it, it has as many positions as asked for.

    Raises:
        ValueError: there is no such cut.
    """
    # How a text ends changes how it is joined to what follows: the cut is found by trying.
    candidate = truncate(text, adapter.tokenizer, shape.text_tokens)
    while candidate:
        # One placeholder stands for all vision positions here.
        length = len(adapter.tokenizer(adapter.prompt(candidate))["input_ids"]) - 1 + shape.vision_tokens
        if length == shape.sequence:
            return candidate
        candidate = candidate[:-1]
    raise ValueError(
        f"no cut of a text has {shape.text_tokens} positions; text_tokens is too low or too high"
    )
