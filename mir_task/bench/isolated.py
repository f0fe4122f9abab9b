"""Times one case in a process of its own and measures the memory that it needs."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

REPEAT_BELOW_SECONDS = 5.0
REPEATS = 3


@dataclass(frozen=True)
class Measurement:
    """Time, memory and value of one call."""

    seconds: float
    """Median of its repeats."""
    extra_bytes: int
    """Peak host memory beyond the inputs."""
    accelerator_bytes: int
    """Peak GPU memory beyond the inputs."""
    value: Any
    host_peak_bytes: int = 0
    """Peak host memory of the process, with the inputs."""
    accelerator_peak_bytes: int = 0
    """Peak GPU memory of tensors, with the inputs."""
    accelerator_reserved_bytes: int = 0
    """Peak GPU memory that torch had taken for them."""


def measure(prepare: Callable[..., Any], run: Callable[[Any], Any], *arguments: Any) -> Measurement:
    """Time ``run(prepare(*arguments))`` in a fresh process, the preparation not counted.

    Quick calls are repeated; memory is that of the first.

    Args:
        prepare: importable function that makes the inputs.
        run: importable function of the inputs; its value must be picklable.
        arguments: what ``prepare`` takes.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure_here, prepare, run, arguments).result()


def _measure_here(
    prepare: Callable[..., Any], run: Callable[[Any], Any], arguments: tuple[Any, ...]
) -> Measurement:
    inputs = prepare(*arguments)
    before, accelerator_before = _reset_peak(), _accelerator_peak(reset=True)
    value, seconds = _timed(run, inputs)
    peak, accelerator_peak, reserved = _peak(), _accelerator_peak(), _accelerator_reserved()
    times = [seconds]
    while times[0] < REPEAT_BELOW_SECONDS and len(times) < REPEATS:
        times.append(_timed(run, inputs)[1])
    return Measurement(
        seconds=statistics.median(times),
        extra_bytes=max(peak - before, 0),
        accelerator_bytes=accelerator_peak - accelerator_before,
        value=value,
        host_peak_bytes=peak,
        accelerator_peak_bytes=accelerator_peak,
        accelerator_reserved_bytes=reserved,
    )


def _timed(run: Callable[[Any], Any], inputs: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    value = run(inputs)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return value, time.perf_counter() - started


def _reset_peak() -> int:
    """Forget the process's peak memory (Linux) and return what it holds now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return int(psutil.Process().memory_info().rss)


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def _accelerator_peak(reset: bool = False) -> int:
    """Read the peak memory of the GPU's tensors in bytes, 0 without one; after a reset, what they take now."""
    if not torch.cuda.is_available():
        return 0
    if reset:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return int(torch.cuda.max_memory_allocated())


def _accelerator_reserved() -> int:
    return int(torch.cuda.max_memory_reserved()) if torch.cuda.is_available() else 0
