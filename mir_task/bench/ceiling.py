"""``measure`` under memory ceilings: estimated beside measured memory, and the cost of further passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from mir_task import measure as measure_mir
from mir_task.bench.isolated import measure
from mir_task.bench.whole import MAX_TEXT_TOKENS, Arguments, bare, prepare
from mir_task.measurement.plan import Footprint, Plan, fewest_passes
from mir_task.metric.uncertainty import GROUPS

PAIRS, LAYERS, D = 20, 8, 1024
MIB = 2**20

Ceiled = tuple[Arguments, int]
"""Arguments of ``measure``, and ``max_memory`` in bytes."""


def run(
    at_a_time: Sequence[int] = (8, 4, 2, 1), pairs: int = PAIRS, layers: int = LAYERS, d: int = D
) -> Iterator[dict[str, Any]]:
    """Yield one record a ceiling, from room for all layers to room for one.

    ``estimated_mib`` is the memory of statistics alone, ``forward_mib`` that of a forward pass beside them.
    """
    forward = measure(prepare, bare, 2, layers, d).extra_bytes
    footprint = Footprint(d=d, itemsize=4, groups=GROUPS, own_groups=GROUPS, max_text_tokens=MAX_TEXT_TOKENS)
    cpu = torch.device("cpu")
    for wanted in at_a_time:
        ceiling = footprint.on(cpu, [cpu] * wanted, Plan(wanted, GROUPS))
        estimate = fewest_passes(footprint, [cpu] * layers, {cpu: ceiling})
        measured = measure(_prepare, _measure, pairs, layers, d, ceiling)
        yield {
            "pairs": pairs,
            "layers": layers,
            "d": d,
            "layers_at_a_time": estimate.plan.layers,
            "parts": estimate.plan.scatters,
            "passes": estimate.passes,
            "estimated_mib": estimate.taken / MIB,
            "forward_mib": forward / MIB,
            "measured_mib": measured.extra_bytes / MIB,
            "seconds": measured.seconds,
            "mir": measured.value,
        }


def _prepare(pairs: int, layers: int, d: int, ceiling: int) -> Ceiled:
    return prepare(pairs, layers, d), ceiling


def _measure(ceiled: Ceiled) -> float:
    arguments, ceiling = ceiled
    return measure_mir(*arguments, max_text_tokens=MAX_TEXT_TOKENS, progress=False, max_memory=ceiling).mir
