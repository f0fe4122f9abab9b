"""Sentences: MIR beside the measures that one could use in its place."""

from __future__ import annotations

from collections.abc import Sequence

from mir_task.report.columns import PROGRESS
from mir_task.report.regress import BesideMIR
from mir_task.report.schema import Against, RankingAccuracy
from mir_task.report.text import number, percent


def against_each(against: Sequence[Against]) -> list[str]:
    """Share of pairs in order of each measure, and by how much MIR puts more of them in order."""
    if not against:
        return []
    clauses = []
    for each in against:
        apart = f"{number(100 * each.difference, 0)} points"
        if each.interval is not None:
            low, high = each.interval
            apart += f", 95% interval {number(100 * low, 0)} to {number(100 * high, 0)}"
        clauses.append(
            f"{PROGRESS.get(each.predictor, each.predictor)} {percent(each.baseline_share)} and MIR "
            f"{percent(each.mir_share)} ({apart})"
        )
    return [f"Pairs in order on the same models: {'; '.join(clauses)}."]


def against_counts(beside_mir: Sequence[BesideMIR]) -> list[str]:
    """How often each baseline and MIR order two models right, each group counted whole."""
    found = []
    for name in dict.fromkeys(both.baseline.predictor for both in beside_mir):
        both_order = [
            (both.baseline.ranking_accuracy, both.mir.ranking_accuracy)
            for both in beside_mir
            if both.baseline.predictor == name
        ]
        theirs = [baseline for baseline, mir in both_order if baseline and mir]
        ours = [mir for baseline, mir in both_order if baseline and mir]
        if theirs:
            found.append(
                f"On the models that have both, {name} ordered {_ordered(theirs)} right, MIR {_ordered(ours)}."
            )
    return found


def _ordered(accuracies: Sequence[RankingAccuracy]) -> str:
    return f"{sum(a.correct for a in accuracies)} of {sum(a.pairs for a in accuracies)} pairs"
