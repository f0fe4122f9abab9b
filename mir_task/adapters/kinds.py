"""What a thing given as the processor is, told by what it can do and not by the names of its attributes."""

from __future__ import annotations

import inspect
from typing import Any


def is_tokenizer(given: Any) -> bool:
    """Whether something turns text into token ids and takes no images.

    Real tokenizers may have an attribute ``tokenizer`` (Qwen-VL's and ChatGLM4's hold a tiktoken encoding there).
    """
    return callable(given) and hasattr(given, "convert_tokens_to_ids") and not takes_images(given)


def takes_images(given: Any) -> bool:
    """Whether something is called with images: it has an image processor, or names them among its arguments."""
    if getattr(given, "image_processor", None) is not None:
        return True
    try:
        parameters = inspect.signature(given.__call__ if callable(given) else given).parameters
    except (TypeError, ValueError):  # no signature to see
        return False
    return "images" in parameters


def tokenizer_of(given: Any) -> Any:
    """The tokenizer that something is or holds; None if it is none and holds none."""
    if is_tokenizer(given):
        return given
    held = getattr(given, "tokenizer", None)
    return held if is_tokenizer(held) else None
