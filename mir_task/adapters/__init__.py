"""The registry of adapters: a model family is one file here and one line in ``FAMILIES``."""

from __future__ import annotations

from typing import Any

from loguru import logger

from mir_task.adapters.base import Adapter
from mir_task.adapters.generic import GenericAdapter, ImageFirstAdapter
from mir_task.adapters.internvl import InternVLAdapter, InternVLChatAdapter
from mir_task.adapters.kinds import tokenizer_of
from mir_task.adapters.kosmos import KosmosAdapter
from mir_task.adapters.llava import LlavaAdapter
from mir_task.adapters.llava_pretrain import LlavaPretrainAdapter
from mir_task.adapters.minicpm_v import MiniCPMVAdapter, MiniCPMVChatAdapter
from mir_task.adapters.pipeline import Pipeline, PipelineAdapter
from mir_task.adapters.qwen_vl import QwenVL1Adapter, QwenVLAdapter
from mir_task.adapters.recipes import recipe_for
from mir_task.errors import MIRModelError

__all__ = ["ADAPTERS", "FAMILIES", "Adapter", "Pipeline", "adapter_for", "adapter_type"]

FAMILIES: tuple[type[Adapter], ...] = (
    LlavaAdapter,
    LlavaPretrainAdapter,
    QwenVLAdapter,
    QwenVL1Adapter,
    InternVLAdapter,
    InternVLChatAdapter,
    MiniCPMVAdapter,
    MiniCPMVChatAdapter,
    KosmosAdapter,
    ImageFirstAdapter,
    GenericAdapter,
    PipelineAdapter,
)

ADAPTERS: dict[str, type[Adapter]] = {
    model_type: adapter
    for adapter in FAMILIES
    for systems in adapter.systems
    for model_type in systems.model_types
}

CROSS_ATTENTION = ("blip", "blip_text_model", "mllama")
"""Model types whose vision never joins the decoder's sequence, so that MIR has nothing to compare."""


def adapter_type(model: Any) -> type[Adapter]:
    """Look up the adapter of a model's family by ``config.model_type``; unknown families get the generic one.

    Raises:
        MIRModelError: the family's vision enters by cross-attention.
    """
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    if model_type in CROSS_ATTENTION:
        raise MIRModelError(
            f"{describe(model)}: vision enters by cross-attention, not as rows of the decoder's sequence; MIR, a "
            "distance between hidden states of vision and text positions, is not defined for it"
        )
    return ADAPTERS.get(str(model_type), GenericAdapter)


def adapter_for(model: Any, processor: Any) -> Adapter:
    """Make the adapter for a model and its processor.

    Raises:
        MIRModelError: the family's vision enters by cross-attention, its adapter cannot work with the processor, or
            the model has no decoder stack.
    """
    recipe = None if PipelineAdapter.accepts(processor) else recipe_for(model)
    if recipe is not None and (tokenizer := tokenizer_of(processor)) is not None:
        processor = recipe(model, tokenizer)
    adapter = PipelineAdapter if PipelineAdapter.accepts(processor) else adapter_type(model)
    adapter_type(model)  # refuses cross-attention however the model is fed
    if not adapter.accepts(processor):
        raise MIRModelError(
            f"{describe(model)}: expected the model's processor (AutoProcessor), with a tokenizer and an image "
            f"processor, got {type(processor).__name__}"
        )
    found = adapter(model, processor)
    if found.cross_attention:
        logger.warning(
            f"{describe(model)}: its decoder layers have cross-attention; vision that enters by it is in no row of the "
            "sequence, MIR does not see it and compares the rest"
        )
    return found


def describe(model: Any) -> str:
    """Name a model's class and type, for messages."""
    return (
        f"{type(model).__name__} (model_type {getattr(getattr(model, 'config', None), 'model_type', None)!r})"
    )
