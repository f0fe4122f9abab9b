"""Finds the torch model and the processor inside an lmms-eval model object."""

from __future__ import annotations

from typing import Any

import torch

from mir_task.errors import MIRModelError

# The names lmms-eval's classes use; properties first, since they unwrap what accelerate has wrapped.
MODEL_ATTRIBUTES = ("model", "_model")
PROCESSOR_ATTRIBUTES = ("processor", "_processor", "_image_processor", "image_processor")


def model_and_processor(lm: Any) -> tuple[torch.nn.Module, Any]:
    """The torch model and its processor.

    Args:
        lm: an lmms-eval model object.

    Raises:
        MIRModelError: the object holds no torch module (an API, vLLM, SGLang) or no processor.
    """
    name = type(lm).__name__
    model = _first(lm, MODEL_ATTRIBUTES, lambda value: isinstance(value, torch.nn.Module))
    if model is None:
        raise MIRModelError(
            f"MIR reads hidden states of every decoder layer, and {name} gives none: it is a remote API or an "
            "inference engine (vLLM, SGLang). Use a model that loads weights through transformers, such as "
            "--model llava_hf, or measure without lmms-eval: mir_task.measure(model, processor, pairs)"
        )
    processor = _first(
        lm, PROCESSOR_ATTRIBUTES, lambda value: callable(value) and hasattr(value, "tokenizer")
    )
    if processor is None:
        raise MIRModelError(
            f"{name} offers no processor that takes both images and text; measure without lmms-eval: "
            "mir_task.measure(model, processor, pairs)"
        )
    return model, processor


def _first(lm: Any, names: tuple[str, ...], suits: Any) -> Any:
    for name in names:
        try:
            value = getattr(lm, name, None)
        except Exception:  # properties of lmms-eval's classes may fail before a model is loaded
            continue
        if value is not None and suits(value):
            return value
    return None
