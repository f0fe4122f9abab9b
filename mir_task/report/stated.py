"""Averages that the source states, in points of a hundred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mir_task.report.benchmarks import PERCENT
from mir_task.report.checkpoint import Checkpoint, Comparison
from mir_task.report.columns import AVERAGE
from mir_task.report.records import MIRReportError
from mir_task.report.scales import GAP, Benchmark


def in_points(comparison: Comparison, benchmarks: Mapping[str, Benchmark]) -> Comparison:
    """The comparison with stated averages of fractions in points of a hundred, and a sentence that says so.

    Averages are taken for fractions where none is above one and a benchmark is a fraction too.

    Raises:
        MIRReportError: some averages are fractions, others per cents.
    """
    having = [c for c in comparison.checkpoints if c.average is not None]
    values = {c.label: c.average for c in having if c.average is not None}
    low = {label: value for label, value in values.items() if 0 < value <= 1}
    high = {label: value for label, value in values.items() if value > 1}
    if low and high and min(high.values()) > GAP * max(low.values()) and max(high.values()) <= PERCENT:
        fraction, per_cent = max(low, key=low.__getitem__), min(high, key=high.__getitem__)
        raise MIRReportError(
            f"average: fractions and per cents are mixed: {low[fraction]:g} of {fraction!r} and {high[per_cent]:g} of "
            f"{per_cent!r}; write all in per cent"
        )
    if not low or high or not any(benchmark.scale == "fraction" for benchmark in benchmarks.values()):
        return comparison
    said = "The stated averages are fractions, and shown in points of a hundred."
    return replace(
        comparison,
        checkpoints=[_times(c, PERCENT) for c in comparison.checkpoints],
        understood=[*comparison.understood, said],
    )


def _times(checkpoint: Checkpoint, factor: float) -> Checkpoint:
    """The checkpoint with its average, and what is known of the average's noise, times a factor."""
    errors, spread = (
        {**told, AVERAGE: factor * told[AVERAGE]} if AVERAGE in told else told
        for told in (checkpoint.score_errors, checkpoint.score_spread)
    )
    average = None if checkpoint.average is None else factor * checkpoint.average
    return replace(checkpoint, average=average, score_errors=errors, score_spread=spread)
