"""Writes a pre-training checkpoint as an ordinary transformers checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mir_task.checkpoints.load import load
from mir_task.errors import MIRModelError


def convert(pretrained: str | Path, output: str | Path, **arguments: Any) -> Path:
    """Load a checkpoint and save it in transformers' format, LLM, tower, tokenizer and all.

    Args:
        pretrained: as for :func:`mir_task.checkpoints.load`.
        output: a folder that is empty or not there yet.
        **arguments: as for :func:`mir_task.checkpoints.load`; LoRA adapters are always merged, AlignGPT's stage 1
            needs an ``align_level``.

    Returns:
        The folder. Its ``model_type`` is ``llava``, which any tool loads that knows LLaVA; or, for projectors of more
        than two layers and AlignGPT's stage 2, ``llava_pretrain``, which needs this package.

    Raises:
        MIRModelError: the checkpoint cannot be loaded or is a family of models, or the folder is not empty.
    """
    output = Path(output).expanduser()
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise MIRModelError(f"{output} is not empty; name a new folder")
    loaded = load(pretrained, **{**arguments, "merge_lora": True})
    if len(loaded.variants) > 1:
        raise MIRModelError(
            f"{pretrained} is a stage 1 of AlignGPT, a family of {len(loaded.variants)} models: "
            "choose one with align_level"
        )
    loaded.model.save_pretrained(output)
    loaded.processor.save_pretrained(output)
    return output
