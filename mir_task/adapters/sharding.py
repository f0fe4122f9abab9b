"""Models whose weights are sharded over processes: which of them can be run, and how they are left afterwards.

Each process holds a part of every weight and gets the others' when a layer runs. So all processes must run the same
layers equally often, and none may end a forward pass early.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mir_task.errors import MIRModelError

Sharding = Literal["FSDP2", "ZeRO-3"]

OTHER_SHARDING = (
    "the weights are sharded over processes by {}; MIR can be measured under FSDP2 (fully_shard) and DeepSpeed ZeRO-3, "
    "or on a saved checkpoint"
)


def sharding(model: nn.Module) -> Sharding | None:
    """Tell how a model's weights are sharded; None where every process has all of them.

    Raises:
        MIRModelError: they are sharded in another way than FSDP2's or ZeRO-3's, which is not supported.
    """
    if any(type(part).__name__ == "FullyShardedDataParallel" for part in model.modules()):
        raise MIRModelError(OTHER_SHARDING.format("FSDP1"))
    if any(hasattr(parameter, "ds_id") for parameter in model.parameters()):
        return "ZeRO-3"
    placements = [
        parameter.placements for parameter in model.parameters() if hasattr(parameter, "placements")
    ]
    if not placements:  # none is a DTensor
        return None
    if not _fsdp2_modules(model):
        raise MIRModelError(OTHER_SHARDING.format("tensor parallelism"))
    for *replicated, sharded in placements:
        if not (sharded.is_shard() and all(place.is_replicate() for place in replicated)):
            raise MIRModelError(OTHER_SHARDING.format("FSDP2 together with tensor parallelism"))
    return "FSDP2"


def count(parameter: Tensor) -> int:
    """Numbers in a weight, those of all processes together."""
    return int(getattr(parameter, "ds_numel", parameter.numel()))


def compute_dtype(model: Any) -> torch.dtype:
    """The dtype that a model's layers compute in: FSDP2 may keep weights in another one (mixed precision)."""
    state = model._get_fsdp_state() if hasattr(model, "_get_fsdp_state") else None
    policy = getattr(state, "_mp_policy", None)
    dtype: torch.dtype = getattr(policy, "param_dtype", None) or model.dtype
    return dtype


def device_of(parameter: Tensor) -> torch.device:
    """The device on which a weight is used: FSDP2 may keep it on the CPU meanwhile."""
    mesh = getattr(parameter, "device_mesh", None)
    if mesh is not None and mesh.device_type == "cuda":
        return torch.device("cuda", torch.cuda.current_device())
    return parameter.device


@contextmanager
def left_sharded(model: nn.Module) -> Iterator[None]:
    """Let no process hold others' weights after the block, as between two steps of a training loop."""
    try:
        yield
    finally:
        for module in _fsdp2_modules(model):
            module.reshard()  # type: ignore[operator]  # FSDP2 adds methods to other modules


@contextmanager
def gathered_around(outer: nn.Module, model: nn.Module) -> Iterator[None]:
    """Gather what FSDP2 gathers only when a wrapper runs, such as peft's, for a model inside it that runs alone."""
    parts = _fsdp2_modules(outer)
    around = outer in parts and outer is not model
    if around:
        outer.unshard()  # type: ignore[operator]
    try:
        yield
    finally:
        if around:
            outer.reshard()  # type: ignore[operator]


def _fsdp2_modules(model: nn.Module) -> list[nn.Module]:
    """The modules that FSDP2 (``fully_shard``) has made units of."""
    # By what they can do: importing torch's FSDP takes a second, and some builds of torch lack it.
    return [part for part in model.modules() if hasattr(part, "unshard") and hasattr(part, "_get_fsdp_state")]
