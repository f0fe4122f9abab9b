"""Narrow layers side by side on a CPU, a thread each: their decompositions are too small to share the cores well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
Result = TypeVar("Result")

NARROW = 1024
"""Hidden size up to which two layers at a time beat one on all cores (`python -m mir_task.bench deep`)."""
MOST = 4
"""Layers at a time, at most: each needs working memory of its own."""


def layers_at_once(d: int, device: torch.device) -> int:
    """Number of layers of hidden size d whose distances are computed at the same time on a device."""
    return min(torch.get_num_threads(), MOST) if device.type == "cpu" and d <= NARROW else 1


def side_by_side(run: Callable[[T], Result], items: Iterable[T], threads: int) -> Iterator[Result]:
    """Results in the order of the items; torch runs each item on one core, if several are run at once.

    Args:
        run: what is done with an item.
        items: each is given to one call.
        threads: items at a time; 1 runs them in the calling thread, on all cores.
    """
    if threads == 1:
        yield from map(run, items)
        return
    cores, inference = torch.get_num_threads(), torch.is_inference_mode_enabled()

    def in_thread(item: T) -> Result:
        # The mode is the calling thread's, and its tensors may be changed in place in no other.
        with torch.inference_mode(inference):
            return run(item)

    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(in_thread, items)
    finally:
        torch.set_num_threads(cores)  # threads that are started later take the number that was set last
