"""Breaks down the time that ``measure`` takes beyond bare forward passes."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Iterator
from typing import Any

from mir_task.bench.whole import OVERHEAD, layer_by_layer, prepare

PHASES = {
    "whole": ("measurement/run.py", "measure", None),
    "pairs: image and text preparation": ("measurement/passes.py", "_prepared", None),
    "pairs: forward pass": ("adapters/prefill.py", "prefill", None),
    "pairs: rows into statistics": ("accumulate/statistics.py", "update", None),
    "layers: waiting rows into statistics": ("accumulate/statistics.py", "close", None),
    "layers: distance of vision and text, and its derivatives": (
        "metric/layers.py",
        "_terms",
        None,
    ),
    "layers: distances of halves (noise floors, bias)": ("metric/uncertainty.py", "half_distances", None),
    "layers: distances without each group (standard error)": (
        "metric/uncertainty.py",
        "left_out_distances",
        None,
    ),
    "layers: mir_reference": ("metric/released_script.py", "reference_distance", None),
}
"""Function by phase: its file, its name, and its caller where only calls from there count."""


def run() -> Iterator[dict[str, Any]]:
    """Yield the seconds of each phase, with the model and pairs of benchmark (b)."""
    inputs = prepare(**OVERHEAD)
    with cProfile.Profile() as profile:
        layer_by_layer(inputs)
    entries = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    whole = _seconds(entries, *PHASES["whole"])
    for phase, place in PHASES.items():
        seconds = _seconds(entries, *place)
        yield {**OVERHEAD, "phase": phase, "seconds": seconds, "share": seconds / whole}


def _seconds(entries: dict[Any, Any], file: str, function: str, caller: str | None) -> float:
    """Look up the cumulative time of one of this package's functions."""
    ((_, _, _, cumulative, callers),) = (
        entry
        for (path, _, name), entry in entries.items()
        if path.endswith(f"mir_task/{file}") and name == function
    )
    if caller is None:
        return float(cumulative)
    return float(sum(times[3] for (_, _, name), times in callers.items() if name == caller))
