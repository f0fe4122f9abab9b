"""Finds the torch model inside an lmms-eval model object, and how pairs are shown to it."""

from __future__ import annotations

from typing import Any

import torch

from mir_task.adapters import Pipeline, adapter_type
from mir_task.adapters.kinds import is_tokenizer
from mir_task.adapters.recipes import recipe_for
from mir_task.errors import MIRModelError
from mir_task.lmms.own_pipeline import pipeline_of

# The names lmms-eval's classes use; properties first, since they unwrap what accelerate has wrapped.
MODEL_ATTRIBUTES = ("model", "_model")
TOKENIZER_ATTRIBUTES = ("tokenizer", "_tokenizer")
PROCESSOR_ATTRIBUTES = (
    "processor",
    "_processor",
    "_image_processor",
    "image_processor",
    *TOKENIZER_ATTRIBUTES,  # all that families of remote code need
)


def model_and_processor(lm: Any) -> tuple[torch.nn.Module, Any]:
    """The torch model, and what its adapter needs: a processor, a tokenizer, or lmms-eval's own pipeline.

    Args:
        lm: an lmms-eval model object.

    Raises:
        MIRModelError: the object holds no torch module (an API, vLLM, SGLang), or neither processor nor
            tokenizer.
    """
    name = type(lm).__name__
    model = _first(lm, MODEL_ATTRIBUTES, lambda value: isinstance(value, torch.nn.Module))
    if model is None:
        raise MIRModelError(
            f"MIR reads hidden states of every decoder layer, and {name} gives none: it is a remote API or an "
            "inference engine (vLLM, SGLang). Use a model that loads weights through transformers, such as "
            "--model llava_hf, or measure without lmms-eval: mir_task.measure(model, processor, pairs)"
        )
    if recipe_for(model) is not None:
        # The text is the assistant's turn there, which a class's own generate_until has no place for.
        processor = _first(lm, TOKENIZER_ATTRIBUTES, is_tokenizer)
    else:
        processor = _first(lm, PROCESSOR_ATTRIBUTES, adapter_type(model).accepts)
    return model, processor or _own_pipeline(lm)


def _own_pipeline(lm: Any) -> Pipeline:
    tokenizer = _first(lm, TOKENIZER_ATTRIBUTES, is_tokenizer)
    if tokenizer is None:
        raise MIRModelError(
            f"{type(lm).__name__} offers no processor that takes both images and text, and no tokenizer to cut texts "
            "by; measure without lmms-eval: mir_task.measure(model, processor, pairs)"
        )
    return pipeline_of(lm, tokenizer)


def _first(lm: Any, names: tuple[str, ...], suits: Any) -> Any:
    for name in names:
        try:
            value = getattr(lm, name, None)
        except Exception:  # properties of lmms-eval's classes may fail before a model is loaded
            continue
        if value is not None and suits(value):
            return value
    return None
