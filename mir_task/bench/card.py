"""Computes, without running anything, how the layers of a 7B model would be gone through on one card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from mir_task.accumulate.triangle import Triangle
from mir_task.measurement.devices import SHARE
from mir_task.measurement.plan import Footprint, fewest_passes
from mir_task.metric.uncertainty import GROUPS

CARDS = (24e9, 40e9, 48e9, 80e9)
"""Bytes of memory."""
WEIGHTS = 14e9
LAYERS, D = 32, 4096


def run() -> Iterator[dict[str, Any]]:
    """Yield the plan for each size of card, with the weights on it and half of the rest for statistics."""
    device = torch.device("cuda", 0)
    footprint = Footprint(d=D, itemsize=2, groups=GROUPS, own_groups=GROUPS, max_text_tokens=1024)
    for card in CARDS:
        budget = int(SHARE * (card - WEIGHTS))
        estimate = fewest_passes(footprint, [device] * LAYERS, {device: budget})
        layers, scatters = estimate.plan.layers, estimate.plan.scatters
        groups = 2 * layers * scatters * Triangle.size(D) * torch.float32.itemsize if scatters > 1 else 0
        yield {
            "card_gb": card / 1e9,
            "weights_gb": WEIGHTS / 1e9,
            "may_be_used_gib": budget / 2**30,
            "layers_at_a_time": layers,
            "scatters": scatters,
            "passes": estimate.passes,
            "groups_gib": groups / 2**30,
            "whole_gib": 2 * layers * Triangle.size(D) * torch.float64.itemsize / 2**30,
            "taken_gib": estimate.taken / 2**30,
            "needed_gib": estimate.needed / 2**30,
        }
