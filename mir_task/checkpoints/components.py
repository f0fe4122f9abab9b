"""Sorts the tensors of a checkpoint by component of the vision-language model."""

from __future__ import annotations

from dataclasses import dataclass, field

from mir_task.checkpoints.projector import PREFIX
from mir_task.checkpoints.source import Source
from mir_task.checkpoints.weights import TensorDict
from mir_task.errors import MIRModelError


@dataclass(frozen=True)
class ComponentTensors:
    """Tensors by component, keys without the prefixes that differ from one original code to another."""

    projector: TensorDict = field(default_factory=dict)
    tower: TensorDict = field(default_factory=dict)
    language: TensorDict = field(default_factory=dict)
    indicators: TensorDict = field(default_factory=dict)
    """AlignGPT's one tensor of indicators, [levels, d]; empty in other checkpoints."""
    gate: TensorDict = field(default_factory=dict)
    """AlignGPT's gate, which only its stage 2 has."""


def sort_tensors(source: Source) -> ComponentTensors:
    """Sort a checkpoint's tensors by their keys.

    Raises:
        MIRModelError: keys belong to no known component, or there is no projector; the message names file and keys.
    """
    tensors = ComponentTensors()
    unknown = []
    for name, value in source.tensors.items():
        key = name.removeprefix("base_model.model.")  # as peft names what it wraps
        inner = key.removeprefix("model.")
        if inner.startswith(PREFIX):
            tensors.projector[inner] = value
        elif inner.startswith("vision_tower."):
            tensors.tower[inner.replace("vision_tower.", "")] = value
        elif inner == "align_indicators.indicator_embs":
            tensors.indicators[inner] = value
        elif inner.startswith("gated_weight_layer."):
            tensors.gate[inner.removeprefix("gated_weight_layer.")] = value
        elif inner == "embed_tokens.weight" or source.kind == "full":
            tensors.language[f"model.{inner}" if inner == "embed_tokens.weight" else key] = value
        else:
            unknown.append(name)
    if unknown:
        raise MIRModelError(
            f"{source.file}: {len(unknown)} keys of another architecture, {', '.join(sorted(unknown)[:6])}; expected "
            "mm_projector.…, and with mm_use_im_start_end embed_tokens.weight, for AlignGPT align_indicators.…"
        )
    if not tensors.projector:
        raise MIRModelError(
            f"{source.file} holds no projector (no key mm_projector.…)"
            + ("; is this a language model alone?" if source.kind == "full" else "")
        )
    return tensors
