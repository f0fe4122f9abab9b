"""The projector between vision tower and LLM: a chain of linear layers with GELU between them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mir_task.checkpoints.weights import TensorDict, check_shapes
from mir_task.errors import MIRModelError

PREFIX = "mm_projector."


class Layer(NamedTuple):
    """One linear layer of a projector."""

    weight: Tensor
    """[out, in]."""
    bias: Tensor
    """[out]."""


class End(NamedTuple):
    """One end of a projector: a vision tower or an LLM."""

    name: str
    width: int
    """Size of its features or hidden states."""


def depth_of(projector_type: str) -> int:
    """Count the linear layers of ``linear`` or ``mlpNx_gelu``.

    Raises:
        MIRModelError: the type is another.
    """
    match = re.fullmatch(r"mlp([1-9]\d*)x_gelu", projector_type)
    if projector_type != "linear" and match is None:
        raise MIRModelError(
            f"projector type {projector_type!r} is not supported; supported are linear and mlpNx_gelu with any N"
        )
    return int(match[1]) if match else 1


def keys_of(projector_type: str) -> list[str]:
    """Name the linear layers as the original code numbers them, in which GELUs count too."""
    if projector_type == "linear":
        return [PREFIX.rstrip(".")]
    return [f"{PREFIX}{2 * index}" for index in range(depth_of(projector_type))]


def type_from(names: Mapping[str, Tensor], path: Path) -> str:
    """Tell a projector's type from its keys.

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
    vision: End,
    language: End,
    path: Path,
) -> list[Layer]:
    """Compare a projector's keys and shapes with what they must be, and order its layers.

    Args:
        tensors: keys ``mm_projector.…`` only.
        projector_type: what the config says; None: told from the keys.
        vision: the vision tower.
        language: the LLM.
        path: the file, for messages.

    Raises:
        MIRModelError: keys or shapes do not fit; the message names the file, the keys and both shapes.
    """
    projector_type = projector_type or type_from(tensors, path)
    keys = keys_of(projector_type)
    expected: dict[str, tuple[int, ...]] = {}
    for index, key in enumerate(keys):
        expected[f"{key}.weight"] = (language.width, vision.width if index == 0 else language.width)
        expected[f"{key}.bias"] = (language.width,)
    what = (
        f"a projector {projector_type} from vision features of width {vision.width} ({vision.name}) to hidden states "
        f"of width {language.width} ({language.name})"
    )
    check_shapes(path, tensors, expected, what)
    return [Layer(tensors[f"{key}.weight"], tensors[f"{key}.bias"]) for key in keys]


def at_least_two(layers: list[Layer]) -> tuple[str, list[Layer]]:
    """Write a projector as one of at least two layers, since transformers' LLaVA knows none of one.

    One linear layer becomes that layer, no activation, and an identity: exactly the same function (except where a
    GPU is told to multiply in TF32).

    Returns:
        The activation between layers, and the layers.
    """
    if len(layers) > 1:
        return "gelu", layers
    (only,) = layers
    identity = torch.eye(len(only.bias), dtype=only.weight.dtype)
    return "linear", [only, Layer(identity, torch.zeros_like(only.bias))]


class DeepProjector(nn.Sequential):
    """A projector of ``depth`` linear layers with GELU between them, numbered as in the original code."""

    def __init__(self, vision_width: int, width: int, depth: int) -> None:
        modules: list[nn.Module] = [nn.Linear(vision_width, width)]
        for _ in range(depth - 1):
            modules += [nn.GELU(), nn.Linear(width, width)]
        super().__init__(*modules)
