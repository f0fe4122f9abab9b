"""Loads a checkpoint that is one of transformers', such as one that ``convert`` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import AutoModelForImageTextToText, AutoProcessor

# Imported for its side effect: transformers then knows the model type llava_pretrain.
from mir_task.checkpoints import modeling  # noqa: F401
from mir_task.checkpoints.aligngpt import at_level, check_level
from mir_task.checkpoints.source import Source
from mir_task.checkpoints.templates import for_questions
from mir_task.errors import MIRModelError


def load_converted(
    source: Source, align_level: int | None, dtype: Any, given: Mapping[str, Any]
) -> tuple[Any, Any]:
    """Load a transformers checkpoint.

    Args:
        source: the checkpoint.
        align_level: for AlignGPT's stage 1, another level than the one that the checkpoint was converted with.
        dtype: of the whole model, or ``auto``.
        given: further arguments by name, all of which must be None.

    Returns:
        Model, in evaluation mode, and processor.

    Raises:
        MIRModelError: transformers cannot load the checkpoint, or an argument does not apply to it.
    """
    unwanted = sorted(name for name, value in given.items() if value is not None)
    if unwanted:
        raise MIRModelError(
            f"{source.path} is a transformers checkpoint, which holds everything: leave out {', '.join(unwanted)}"
        )
    try:
        model = AutoModelForImageTextToText.from_pretrained(source.path, dtype=dtype).eval()
        processor = AutoProcessor.from_pretrained(source.path)
    except Exception as error:  # transformers raises many unrelated classes for what it cannot load
        raise MIRModelError(f"cannot load {source.path} with transformers: {error}") from error
    if processor.chat_template is not None:  # read from one file for both
        processor.tokenizer.chat_template = for_questions(processor.chat_template)
    level = check_level(align_level, aligned=True, stage=1, path=source.path)
    return model, processor if level is None else at_level(processor, level, source.path)
