"""How much memory statistics take, how much there is, and how many layers at a time follow from that."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from loguru import logger
from torch import Tensor

from mir_task.accumulate.reservoir import room
from mir_task.accumulate.waiting import Sizes
from mir_task.adapters.decoder import Decoder
from mir_task.errors import MIRDataError
from mir_task.metric.uncertainty import MIN_GROUPS

SHARE = 0.5
"""Of the free memory that statistics may take, where no ceiling was given."""
WORKING_MATRICES = 10
"""Float64 matrices [d, d] that a layer's distance takes beside the statistics, at most."""
ROW_BYTES = 16
"""What a row takes that is held back or sampled, beside its numbers: norm and group, or key."""
IMAGE_TOKENS = 1024
"""Taken for a pair's vision rows before the first pair tells."""
GIB = 2**30
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Footprint:
    """What the size of statistics depends on."""

    d: int
    """Hidden size."""
    itemsize: int
    """Bytes of a number in the hidden states."""
    groups: int
    """Of pairs, that the jackknife leaves out."""
    own_groups: int
    """Of these, how many this process sees pairs of."""
    max_text_tokens: int
    batch_size: int = 1
    """Pairs whose rows are captured together."""

    def layer(self, parts: int) -> int:
        """Bytes that one layer's statistics take, at most, with so many scatter matrices a modality."""
        scatter = min(parts, self.own_groups) * self.d**2 * 8
        rows = Sizes.of(self.d).capacity + room(self.d, self.itemsize)
        kept = rows * (self.d * self.itemsize + ROW_BYTES)
        captured = self.batch_size * (self.max_text_tokens + IMAGE_TOKENS) * self.d * self.itemsize
        return 2 * (scatter + kept) + captured

    def working(self, parts: int) -> int:
        """Bytes that the distance of one layer takes beside the statistics, those of other processes among them."""
        return (WORKING_MATRICES + max(parts - self.own_groups, 0)) * self.d**2 * 8


@dataclass(frozen=True)
class Plan:
    """How the layers are gone through."""

    layers: int
    """Whose statistics are kept at a time."""
    parts: int
    """Scatter matrices a modality and layer: one a group of pairs, or fewer."""
    passes: int
    """Over the pairs, if no outliers ask for more."""
    needed: int
    """Estimated bytes on the fullest device, with all layers at once and a part for each group."""
    taken: int
    """Estimated bytes on the fullest device as planned."""


def plan(footprint: Footprint, devices: Sequence[torch.device], budgets: dict[torch.device, int]) -> Plan:
    """The fewest passes over the pairs that the memory allows; of equals, the one that keeps the groups apart.

    Without a part for each group the standard error takes one more pass; without two, there are no noise floors.

    Args:
        footprint: of the statistics.
        devices: on which each layer, and so its statistics, lives.
        budgets: bytes that may be taken on each of them.
    """
    total = len(devices)
    needed = _taken(footprint, devices, total, footprint.groups)
    found: list[Plan] = []
    for parts in dict.fromkeys((footprint.groups, min(footprint.groups, 2), 1)):
        fitting = [
            layers
            for layers in range(1, total + 1)
            if all(
                _taken_on(footprint, devices, layers, parts, device) <= budgets[device] for device in budgets
            )
        ]
        if fitting and (parts > 1 or not found):
            again = 2 if parts < footprint.groups and footprint.groups >= MIN_GROUPS else 1
            # As few as that number of passes takes, all about equally many.
            rounds = math.ceil(total / fitting[-1])
            layers = math.ceil(total / rounds)
            found.append(
                Plan(layers, parts, again * rounds, needed, _taken(footprint, devices, layers, parts))
            )
    if not found:
        taken = _taken(footprint, devices, 1, 1)
        found.append(Plan(1, 1, total * (2 if footprint.groups >= MIN_GROUPS else 1), needed, taken))
    return min(found, key=lambda each: each.passes)


def check(chosen: Plan, budgets: dict[torch.device, int], ceiling: int | None) -> None:
    """Say what is planned, and what will be missing.

    Raises:
        MIRDataError: one layer alone takes more than the ceiling.
    """
    places = ", ".join(f"{budget / GIB:.2f} GiB on {device}" for device, budget in budgets.items())
    logger.info(
        f"MIR: statistics of all layers would take up to {chosen.needed / GIB:.2f} GiB on a device, {places} may be "
        f"used; {chosen.layers} layers at a time ({chosen.taken / GIB:.2f} GiB), passes over the pairs: {chosen.passes}"
    )
    if chosen.taken > min(budgets.values()):
        problem = f"the statistics of a single layer take {chosen.taken / GIB:.2f} GiB, {places} may be used"
        if ceiling is not None:
            raise MIRDataError(f"max_memory is too low: {problem}")
        logger.warning(f"Memory may run out: {problem}")
    if chosen.parts == 1:
        logger.warning("No noise floors and no bias-corrected MIR: no room for the statistics of two halves")


def budget(device: torch.device, ceiling: int | None) -> int:
    """Bytes that statistics may take on a device: the ceiling, or half of what is free."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        free = torch.cuda.mem_get_info(device)[0] + cached
    else:  # shared by the processes of this machine
        free = host_memory() // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return int(SHARE * free) if ceiling is None else min(ceiling, free)


def host_memory() -> int:
    """Free bytes of the machine, or of the container that this process runs in."""
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = ((CGROUP / name).read_text() for name in ("memory.max", "memory.current"))
        return min(free, int(limit) - int(used)) if limit.strip() != "max" else free
    except (OSError, ValueError):  # no such limit here
        return free


def layer_devices(decoder: Decoder) -> list[torch.device]:
    """Where each decoder layer's output, and so its statistics, live: the last one's behind the final norm."""
    return [_runs_on(module) for module in (*list(decoder.layers)[:-1], decoder.norm)]


def _runs_on(module: Any) -> torch.device:
    # Accelerate may keep weights elsewhere and move them where they are needed.
    hook = getattr(module, "_hf_hook", None)
    for each in getattr(hook, "hooks", [hook]):
        device = getattr(each, "execution_device", None)
        if device is not None:
            return torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    parameter: Tensor | None = next(module.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def _taken(footprint: Footprint, devices: Sequence[torch.device], layers: int, parts: int) -> int:
    return max(_taken_on(footprint, devices, layers, parts, device) for device in set(devices))


def _taken_on(
    footprint: Footprint, devices: Sequence[torch.device], layers: int, parts: int, device: torch.device
) -> int:
    """Bytes on a device when so many neighbouring layers are kept at a time."""
    most = max(Counter(devices[start : start + layers])[device] for start in range(0, len(devices), layers))
    return most * footprint.layer(parts) + footprint.working(parts)
