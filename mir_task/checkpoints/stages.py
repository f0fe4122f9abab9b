"""Tells which stage of training a checkpoint is of."""

from __future__ import annotations

from mir_task.checkpoints.components import ComponentTensors
from mir_task.checkpoints.settings import Settings
from mir_task.checkpoints.source import Source
from mir_task.errors import MIRModelError


def check_stage(
    source: Source, settings: Settings, tensors: ComponentTensors, aligned: bool, stage: int | None
) -> int:
    """Tell the stage from the files, or take the user's word where they do not tell.

    Args:
        source: the checkpoint.
        settings: the checkpoint's.
        tensors: the checkpoint's.
        aligned: whether the checkpoint is of AlignGPT.
        stage: as the user gave it; None if not given.

    Returns:
        1 or 2.

    Raises:
        MIRModelError: the files tell another stage than the user, or are not complete.
    """
    if stage not in (None, 1, 2):
        raise MIRModelError(f"stage must be 1 or 2, got {stage!r}")
    if aligned and not tensors.indicators:
        raise MIRModelError(
            f"{source.file} is of AlignGPT but holds no align_indicators.indicator_embs: an intermediate "
            "checkpoint, whose training code saved the projector alone; use the final one (mm_projector_align.bin)"
        )
    if tensors.gate and source.kind == "projector":
        raise MIRModelError(
            f"{source.file} holds a gate (stage 2) but no LLM; name the folder of the full checkpoint"
        )
    told = None
    if source.kind == "projector":
        told, why = 1, "it holds a projector alone; stage 2 has an LLM of its own"
    elif aligned:
        told = 2 if tensors.gate else 1
        why = f"it has {'a' if tensors.gate else 'no'} gated_weight_layer, which only stage 2 has"
    if told and stage not in (None, told):
        raise MIRModelError(f"{source.path} is of stage {told}, not {stage}: {why}")
    return told or stage or (1 if settings.tune_mm_mlp_adapter else 2)
