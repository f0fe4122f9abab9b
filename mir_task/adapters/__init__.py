"""Which adapter a model takes. A family is one file here and one line in ``ADAPTERS``."""

from __future__ import annotations

from typing import Any

from mir_task.adapters.base import Adapter
from mir_task.adapters.llava import LlavaAdapter
from mir_task.adapters.llava_pretrain import LlavaPretrainAdapter
from mir_task.errors import MIRModelError

__all__ = ["ADAPTERS", "Adapter", "adapter_for"]

ADAPTERS: dict[str, type[Adapter]] = {
    model_type: adapter
    for adapter in (LlavaAdapter, LlavaPretrainAdapter)
    for model_type in adapter.model_types
}

# Vision never joins the decoder's sequence in these, so there is nothing that MIR could compare.
CROSS_ATTENTION = ("blip", "blip_text_model", "mllama")


def adapter_for(model: Any, processor: Any) -> Adapter:
    """The adapter for a model, by its ``config.model_type``.

    Raises:
        MIRModelError: no such adapter; a family whose vision enters by cross-attention; no processor that
            takes images.
    """
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    name = f"{type(model).__name__} (model_type {model_type!r})"
    if model_type in CROSS_ATTENTION:
        raise MIRModelError(
            f"{name}: vision enters by cross-attention, not as rows of the decoder's sequence; MIR, a distance "
            "between hidden states of vision and text positions, is not defined for it"
        )
    if model_type not in ADAPTERS:
        raise MIRModelError(
            f"{name}: no adapter for this family; there are adapters for: {', '.join(ADAPTERS)}"
        )
    if not callable(processor) or not hasattr(processor, "tokenizer"):
        raise MIRModelError(
            f"{name}: expected the model's processor (AutoProcessor), with a tokenizer and an image processor, "
            f"got {type(processor).__name__}"
        )
    return ADAPTERS[model_type](model, processor)
