"""How many layers at a time, and how many scatter matrices: what the memory allows in the fewest passes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from loguru import logger

from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.inliers import group_dtype
from mir_task.accumulate.triangle import Triangle
from mir_task.errors import MIRDataError
from mir_task.measurement.side_by_side import layers_at_once
from mir_task.metric.uncertainty import MIN_GROUPS

WORKING_MATRICES = 10
"""Float64 matrices [d, d] that a layer's distance takes beside the statistics, at most."""
ROW_BYTES = 16
"""Bytes that a row takes that waits or is sampled, beside its numbers: norm and group, or key."""
IMAGE_TOKENS = 1024
"""Assumed vision rows of a pair, before the first pair tells."""
GIB = 2**30


@dataclass(frozen=True)
class Plan:
    """How the layers are gone through."""

    layers: int
    """Layers whose statistics are kept at a time."""
    scatters: int
    """Scatter matrices for each modality and layer: one for each group of pairs, or fewer."""


@dataclass(frozen=True)
class Estimate:
    """A plan with what it costs."""

    plan: Plan
    passes: int
    """Passes over the pairs, if no outliers ask for more."""
    needed: int
    """Estimated bytes on the fullest device, with all layers at once and a scatter matrix for each group."""
    taken: int
    """Estimated bytes on the fullest device as planned."""
    without_halves: bool
    """There are groups of pairs, and no room for the scatter matrices of two halves of them."""


@dataclass(frozen=True)
class Footprint:
    """What the size of statistics depends on."""

    d: int
    """Hidden size."""
    itemsize: int
    """Bytes of a number in the hidden states."""
    groups: int
    """Groups of pairs, which the jackknife leaves out in turn."""
    own_groups: int
    """Groups that this process sees pairs of."""
    max_text_tokens: int
    batch_size: int = 1
    """Pairs whose rows are captured together."""
    buffers: BufferSizes = field(default_factory=BufferSizes)
    """How many rows wait and are sampled."""

    def layer(self, scatters: int) -> int:
        """Bytes that one layer's statistics take, at most, with so many scatter matrices a modality.

        Beside these, one of all rows is kept; with a single scatter matrix, it is the one of all rows.
        """
        apart = min(scatters, self.own_groups) if scatters > 1 else 0
        scatter = self._whole + apart * self._group
        rows = self.buffers.waiting(self.d).capacity + self.buffers.sample_rows(self.d, self.itemsize)
        kept = rows * (self.d * self.itemsize + ROW_BYTES)
        captured = self.batch_size * (self.max_text_tokens + IMAGE_TOKENS) * self.d * self.itemsize
        return 2 * (scatter + kept) + captured

    def working(self, scatters: int) -> int:
        """Bytes that the distance of one layer takes beside the statistics, those of other processes included."""
        return WORKING_MATRICES * self.d**2 * 8 + max(scatters - self.own_groups, 0) * self._group

    @property
    def _whole(self) -> int:
        """Bytes of the scatter matrix of all rows, summed in float64."""
        return Triangle.size(self.d) * torch.float64.itemsize

    @property
    def _group(self) -> int:
        """Bytes of the scatter matrix of a group."""
        return Triangle.size(self.d) * group_dtype(self.d).itemsize

    def fullest(self, devices: Sequence[torch.device], plan: Plan) -> int:
        """Bytes on the device that a plan takes most on."""
        return max(self.on(device, devices, plan) for device in set(devices))

    def on(self, device: torch.device, devices: Sequence[torch.device], plan: Plan) -> int:
        """Bytes on a device.

        Args:
            device: the device.
            devices: where each layer, and so its statistics, lives.
            plan: how many neighbouring layers are kept at a time.
        """
        starts = range(0, len(devices), plan.layers)
        most = max(Counter(devices[start : start + plan.layers])[device] for start in starts)
        at_once = min(layers_at_once(self.d, device), most)
        return most * self.layer(plan.scatters) + at_once * self.working(plan.scatters)


def fewest_passes(
    footprint: Footprint, devices: Sequence[torch.device], budgets: Mapping[torch.device, int]
) -> Estimate:
    """The plan with the fewest passes over the pairs that the memory allows; of equals, the one with most scatters.

    Without a scatter matrix for each group the standard error takes one more pass; with a single one, there are no
    noise floors.

    Args:
        footprint: what the size of the statistics depends on.
        devices: where each layer, and so its statistics, lives.
        budgets: bytes that may be taken on each device.
    """
    total = len(devices)
    needed = footprint.fullest(devices, Plan(total, footprint.groups))

    def estimate(layers: int, scatters: int) -> Estimate:
        for_the_error = scatters < footprint.groups and footprint.groups >= MIN_GROUPS
        plan = Plan(layers, scatters)
        passes = (2 if for_the_error else 1) * math.ceil(total / layers)
        return Estimate(
            plan,
            passes,
            needed,
            footprint.fullest(devices, plan),
            without_halves=scatters == 1 < footprint.groups,
        )

    def fits(layers: int, scatters: int) -> bool:
        plan = Plan(layers, scatters)
        return all(footprint.on(device, devices, plan) <= budget for device, budget in budgets.items())

    found: list[Estimate] = []
    for scatters in dict.fromkeys((footprint.groups, min(footprint.groups, 2), 1)):
        fitting = [layers for layers in range(1, total + 1) if fits(layers, scatters)]
        if fitting and (scatters > 1 or not found):
            # As few rounds as the most layers allow, each of about equally many.
            rounds = math.ceil(total / fitting[-1])
            found.append(estimate(math.ceil(total / rounds), scatters))
    return min(found or [estimate(1, 1)], key=lambda each: each.passes)


def announce(estimate: Estimate, budgets: Mapping[torch.device, int], ceiling: int | None) -> None:
    """Say what is planned, and what will be missing.

    Raises:
        MIRDataError: one layer alone takes more than the ceiling.
    """
    places = ", ".join(f"{budget / GIB:.2f} GiB on {device}" for device, budget in budgets.items())
    logger.info(
        f"MIR: statistics of all layers would take up to {estimate.needed / GIB:.2f} GiB on a device, {places} may be "
        f"used; {estimate.plan.layers} layers at a time ({estimate.taken / GIB:.2f} GiB), passes over the pairs: "
        f"{estimate.passes}"
    )
    if estimate.taken > min(budgets.values()):
        problem = (
            f"the statistics of a single layer take {estimate.taken / GIB:.2f} GiB, {places} may be used"
        )
        if ceiling is not None:
            raise MIRDataError(f"max_memory is too low: {problem}")
        logger.warning(f"Memory may run out: {problem}")
    if estimate.without_halves:
        logger.warning("No noise floors and no bias-corrected MIR: no room for the statistics of two halves")
