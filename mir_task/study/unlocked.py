"""Which part of a LLaVA is trained in stage 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

Unlocked = Literal["none", "lora", "half", "all"]
LORA = LoraConfig(
    r=16, lora_alpha=32, lora_dropout=0.0, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]
)


@contextmanager
def unlocked(model: Any, part: Unlocked) -> Iterator[None]:
    """Freeze a model but for a part of its language model; LoRA's updates are merged in at the end."""
    model.requires_grad_(False)
    language = model.model.language_model
    if part == "all":
        language.requires_grad_(True)
        model.lm_head.requires_grad_(True)
    elif part == "half":
        language.layers[: len(language.layers) // 2].requires_grad_(True)
    elif part == "lora":
        inject_adapter_in_model(LORA, language)
    yield
    if part == "lora":
        _merge_lora(language)


def _merge_lora(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, BaseTunerLayer):
            child.merge()
            setattr(module, name, child.get_base_layer())
        else:
            _merge_lora(child)
