"""What a checkpoint is a stage of, and whether the alignment level that was asked for makes sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mir_task.checkpoints.parts import ALIGN_LEVELS, Parts
from mir_task.checkpoints.settings import Settings
from mir_task.checkpoints.source import Source
from mir_task.errors import MIRModelError


def check_stage(source: Source, settings: Settings, parts: Parts, aligned: bool, stage: int | None) -> int:
    """The stage, from the files where they tell and from the user where they do not.

    Raises:
        MIRModelError: the files tell another one than the user, or are not complete.
    """
    if stage not in (None, 1, 2):
        raise MIRModelError(f"stage must be 1 or 2, got {stage!r}")
    if aligned and not parts.indicators:
        raise MIRModelError(
            f"{source.file} is of AlignGPT but holds no align_indicators.indicator_embs: an intermediate "
            "checkpoint, whose training code saved the projector alone; use the final one (mm_projector_align.bin)"
        )
    if parts.gate and source.kind == "projector":
        raise MIRModelError(
            f"{source.file} holds a gate (stage 2) but no LLM; name the folder of the full checkpoint"
        )
    told = None
    if source.kind == "projector":
        told, why = 1, "it holds a projector alone; stage 2 has an LLM of its own"
    elif aligned:
        told = 2 if parts.gate else 1
        why = f"it has {'a' if parts.gate else 'no'} gated_weight_layer, which only stage 2 has"
    if told and stage not in (None, told):
        raise MIRModelError(f"{source.path} is of stage {told}, not {stage}: {why}")
    return told or stage or (1 if settings.tune_mm_mlp_adapter else 2)


def check_level(level: Any, aligned: bool, stage: int, path: Path) -> int | None:
    """An alignment level, None if none was asked for.

    Raises:
        MIRModelError: it is not 0-7, or the checkpoint takes none.
    """
    if level is None:
        return None
    if not aligned:
        raise MIRModelError(f"{path} is no AlignGPT checkpoint, it takes no align_level (got {level!r})")
    if stage == 2:
        raise MIRModelError(
            f"{path} is of AlignGPT's stage 2, which computes the align vector from image and text; "
            "leave out align_level"
        )
    if isinstance(level, bool) or level not in range(ALIGN_LEVELS):
        raise MIRModelError(f"align_level must be a whole number from 0 to {ALIGN_LEVELS - 1}, got {level!r}")
    return int(level)
