"""Sorts the tensors of a checkpoint into the parts of a vision-language model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mir_task.checkpoints.projector import PREFIX
from mir_task.checkpoints.source import Source
from mir_task.checkpoints.weights import TensorDict, check_shapes
from mir_task.errors import MIRModelError

ALIGN_LEVELS = 8


@dataclass(frozen=True)
class Parts:
    """Tensors by part, keys without the prefixes that differ from one original code to another."""

    projector: TensorDict = field(default_factory=dict)
    tower: TensorDict = field(default_factory=dict)
    language: TensorDict = field(default_factory=dict)
    indicators: TensorDict = field(default_factory=dict)
    gate: TensorDict = field(default_factory=dict)


def sort_tensors(source: Source) -> Parts:
    """Sort by key.

    Raises:
        MIRModelError: keys of no known part, or no projector; naming the file and keys.
    """
    parts = Parts()
    unknown = []
    for name, value in source.tensors.items():
        key = name.removeprefix("base_model.model.")  # as peft names what it wraps
        inner = key.removeprefix("model.")
        if inner.startswith(PREFIX):
            parts.projector[inner] = value
        elif inner.startswith("vision_tower."):
            parts.tower[inner.replace("vision_tower.", "")] = value
        elif inner == "align_indicators.indicator_embs":
            parts.indicators[inner] = value
        elif inner.startswith("gated_weight_layer."):
            parts.gate[inner.removeprefix("gated_weight_layer.")] = value
        elif inner == "embed_tokens.weight" or source.kind == "full":
            parts.language[f"model.{inner}" if inner == "embed_tokens.weight" else key] = value
        else:
            unknown.append(name)
    if unknown:
        raise MIRModelError(
            f"{source.file}: {len(unknown)} keys of another architecture, {', '.join(sorted(unknown)[:6])}; expected "
            "mm_projector.…, and with mm_use_im_start_end embed_tokens.weight, for AlignGPT align_indicators.…"
        )
    if not parts.projector:
        raise MIRModelError(
            f"{source.file} holds no projector (no key mm_projector.…)"
            + ("; is this a language model alone?" if source.kind == "full" else "")
        )
    return parts


def check_alignment(parts: Parts, width: int, image_rows: int, path: Path) -> None:
    """Compare AlignGPT's indicators and, in stage 2, its gate with what LLM and tower need.

    Raises:
        MIRModelError: naming file, key and both shapes.
    """
    (name,) = parts.indicators
    what = f"AlignGPT's {ALIGN_LEVELS} indicators for an LLM of width {width}"
    check_shapes(path, parts.indicators, {name: (ALIGN_LEVELS, width)}, what)
    if parts.gate:
        hidden = parts.gate["mlp.0.bias"].shape[0] if "mlp.0.bias" in parts.gate else 256
        expected = {
            "mlp.0.weight": (hidden, image_rows),
            "mlp.0.bias": (hidden,),
            "mlp.2.weight": (ALIGN_LEVELS - 1, hidden),
            "mlp.2.bias": (ALIGN_LEVELS - 1,),
        }
        check_shapes(path, parts.gate, expected, f"AlignGPT's gate over {image_rows} image rows")
