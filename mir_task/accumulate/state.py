"""The state of an object as a flat dictionary of tensors, which safetensors and torch.distributed both carry."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

State = dict[str, Tensor]


def under(name: str, state: Mapping[str, Tensor]) -> State:
    """The state of a part, its keys prefixed by the part's name."""
    return {f"{name}.{key}": value for key, value in state.items()}


def part_of(state: Mapping[str, Tensor], name: str) -> State:
    """What :func:`under` was given, or nothing."""
    return {key[len(name) + 1 :]: value for key, value in state.items() if key.startswith(f"{name}.")}


def scalar(value: float) -> Tensor:
    """A number, exactly: int64 or float64, [1]."""
    return torch.tensor([value], dtype=torch.int64 if isinstance(value, int) else torch.float64)
