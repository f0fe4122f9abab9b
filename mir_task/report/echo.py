"""What was understood of the files, in sentences for the terminal and the page."""

from __future__ import annotations

from collections.abc import Mapping

from mir_task.report.checkpoint import Comparison
from mir_task.report.records import listing
from mir_task.report.scales import Benchmark

MOST_NAMES = 30


def echo(benchmarks: Mapping[str, Benchmark], left_out: Mapping[str, str]) -> list[str]:
    """Sentences: what is taken as a benchmark, with direction and scale, and what is left out, with the reason."""
    found = []
    if benchmarks:
        found.append(f"Benchmarks: {listing(benchmarks.values(), MOST_NAMES)}.")
    if left_out:
        by_reason: dict[str, list[str]] = {}
        for name, reason in left_out.items():
            by_reason.setdefault(reason, []).append(name)
        clauses = [f"{listing(names, MOST_NAMES)} ({reason})" for reason, names in by_reason.items()]
        found.append(f"Not taken as benchmarks: {'; '.join(clauses)}.")
    return found


def echo_models(comparison: Comparison) -> list[str]:
    """Sentences: which measured models have no scores, where others have, and how models were joined."""
    scored = {c.name for c in comparison.checkpoints if c.scores or c.average is not None}
    labels = {c.name: c.label for c in comparison.checkpoints}
    without = [label for name, label in labels.items() if name not in scored]
    found = list(comparison.understood)
    if scored and without:
        found.append(
            f"{len(without)} of the {len(labels)} models with MIR have no scores: {listing(without)}."
        )
    return found
