"""The projector between vision tower and LLM: a chain of linear layers with GELU between them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mir_task.checkpoints.weights import TensorDict, check_shapes
from mir_task.errors import MIRModelError

PREFIX = "mm_projector."


def depth_of(projector_type: str) -> int:
    """How many linear layers ``linear`` or ``mlpNx_gelu`` has.

    Raises:
        MIRModelError: another type.
    """
    match = re.fullmatch(r"mlp([1-9]\d*)x_gelu", projector_type)
    if projector_type != "linear" and match is None:
        raise MIRModelError(
            f"projector type {projector_type!r} is not supported; supported are linear and mlpNx_gelu with any N"
        )
    return int(match[1]) if match else 1


def keys_of(projector_type: str) -> list[str]:
    """Names of the linear layers, as the original code numbers them (GELUs count too)."""
    if projector_type == "linear":
        return [PREFIX.rstrip(".")]
    return [f"{PREFIX}{2 * index}" for index in range(depth_of(projector_type))]


def type_from(names: Mapping[str, Tensor], path: Path) -> str:
    """The type that a file's keys tell.

    Raises:
        MIRModelError: they are of no known projector.
    """
    if f"{PREFIX}weight" in names:
        return "linear"
    indices = {int(match[1]) for name in names if (match := re.fullmatch(PREFIX + r"(\d+)\.weight", name))}
    if not indices or indices != set(range(0, 2 * len(indices), 2)):
        raise MIRModelError(
            f"{path}: the keys {', '.join(sorted(names)[:6]) or '(none)'} are of no projector that is known here "
            "(linear or mlpNx_gelu)"
        )
    return f"mlp{len(indices)}x_gelu"


def checked_layers(
    tensors: TensorDict,
    projector_type: str | None,
    widths: tuple[int, int],
    path: Path,
    ends: tuple[str, str],
) -> list[tuple[Tensor, Tensor]]:
    """The projector's (weight, bias) in order, after comparing keys and shapes with what they must be.

    Args:
        tensors: keys ``mm_projector.…`` only.
        projector_type: what the config says; None: told from the keys.
        widths: of the vision features and of the LLM.
        path: the file, for messages.
        ends: names of vision tower and LLM, for messages.

    Raises:
        MIRModelError: naming the file, keys and both shapes.
    """
    projector_type = projector_type or type_from(tensors, path)
    keys = keys_of(projector_type)
    expected: dict[str, tuple[int, ...]] = {}
    for index, key in enumerate(keys):
        expected[f"{key}.weight"] = (widths[1], widths[0] if index == 0 else widths[1])
        expected[f"{key}.bias"] = (widths[1],)
    what = (
        f"a projector {projector_type} from vision features of width {widths[0]} ({ends[0]}) to hidden states of "
        f"width {widths[1]} ({ends[1]})"
    )
    check_shapes(path, tensors, expected, what)
    return [(tensors[f"{key}.weight"], tensors[f"{key}.bias"]) for key in keys]


def as_two_layers(layers: list[tuple[Tensor, Tensor]]) -> tuple[str, list[tuple[Tensor, Tensor]]]:
    """Activation and layers of the two-layer projector, the only one that transformers' LLaVA has.

    One linear layer becomes that layer, no activation, and an identity: exactly the same function (except where a
    GPU is told to multiply in TF32).
    """
    if len(layers) == 2:
        return "gelu", layers
    ((weight, bias),) = layers
    return "linear", [(weight, bias), (torch.eye(len(bias), dtype=weight.dtype), torch.zeros_like(bias))]


class DeepProjector(nn.Sequential):
    """``depth`` linear layers with GELU between them; numbered as in the original code."""

    def __init__(self, vision_width: int, width: int, depth: int) -> None:
        modules: list[nn.Module] = [nn.Linear(vision_width, width)]
        for _ in range(depth - 1):
            modules += [nn.GELU(), nn.Linear(width, width)]
        super().__init__(*modules)
