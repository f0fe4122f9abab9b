"""Sentences: what noise leaves open, and why there is nothing to relate."""

from __future__ import annotations

from collections.abc import Sequence

from mir_task.report.compare import Comparison
from mir_task.report.schema import Fit
from mir_task.report.text import count, sentence


def noise(comparison: Comparison) -> list[str]:
    """How many models MIR's standard error leaves apart."""
    several = {group: members for group, members in comparison.groups.items() if len(members) > 1}
    if not several:
        return []
    if not any(c.standard_error is not None for c in comparison.checkpoints):
        return ["No standard error of MIR was given, so small differences in MIR may be noise of the pairs."]
    tied = sum(c.rank[0] != c.rank[1] for members in several.values() for c in members)
    total = sum(map(len, several.values()))
    if not tied:
        return [f"All {total} models differ in MIR by more than its standard error."]
    return [
        f"{sentence(count(tied, 'model'))} of {total} cannot be told from a neighbour by MIR's standard error."
    ]


def nothing_to_relate(fits: Sequence[Fit]) -> list[str]:
    """What to give, where no scores were given; otherwise why MIR cannot be related to them."""
    if not fits:
        return [
            "How well MIR predicts scores after SFT is not known here: no scores were given. Give --scores a table "
            "with the column model and one column a benchmark, or lmms-eval results of the fine-tuned models with "
            "--mapping; three models give a correlation, four an interval."
        ]
    notes = [f"{fit.group}: {note}" for fit in fits for note in fit.notes]
    return [f"How well MIR predicts scores after SFT cannot be said: {'; '.join(notes)}."]
