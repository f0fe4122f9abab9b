"""What the companions of MIR cost: ``measure`` with and without them, in turn, in one process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median
from typing import Any
from unittest.mock import patch

import torch

from mir_task.accumulate.between import BetweenPairs
from mir_task.bench.whole import Arguments, layer_by_layer, prepare
from mir_task.metric import layers

REPEATS = 3
SIZES = ((50, 4, 256), (30, 2, 1024))
"""Pairs, layers and hidden size: narrow, where the companions weigh most, and wide."""


def run(repeats: int = REPEATS) -> Iterator[dict[str, Any]]:
    """Yield a record a size: seconds with and without, of all threads of this process, and of the companions alone.

    What other processes do hardly changes the processor time of this one, and the runs alternate. Still, the difference
    of two runs is a few per cent off; the seconds inside the companions are counted on their own.
    """
    for pairs, number_of_layers, d in SIZES:
        inputs = prepare(pairs, number_of_layers, d)
        layer_by_layer(inputs)  # what is loaded once
        times = [(_without(inputs), *_with(inputs)) for _ in range(repeats)]
        without, whole, inside = (median(column) for column in zip(*times, strict=True))
        yield {
            "pairs": pairs,
            "layers": number_of_layers,
            "d": d,
            "threads": torch.get_num_threads(),
            "cpu_seconds_without": without,
            "cpu_seconds_with": whole,
            "difference": median(b / a - 1 for a, b, _ in times),
            "cpu_seconds_inside": inside,
            "share_inside": inside / whole,
        }


def _with(inputs: Arguments) -> tuple[float, float]:
    """Processor time of a measurement, and of its companions."""
    inside = 0.0

    def timed(function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            nonlocal inside
            started = time.process_time()
            result = function(*arguments)
            inside += time.process_time() - started
            return result

        return call

    with ExitStack() as stack:
        stack.enter_context(patch.object(BetweenPairs, "add", timed(BetweenPairs.add)))
        for name in ("companions", "reasons"):
            stack.enter_context(patch.object(layers, name, timed(getattr(layers, name))))
        return _seconds(inputs), inside


def _without(inputs: Arguments) -> float:
    with (
        patch.object(BetweenPairs, "add", lambda *_: None),
        patch.object(layers, "companions", lambda *_: {}),
        patch.object(layers, "reasons", lambda _: []),
    ):
        return _seconds(inputs)


def _seconds(inputs: Arguments) -> float:
    started = time.process_time()
    layer_by_layer(inputs)
    return time.process_time() - started
