"""Sentences: what noise leaves open, and why there is nothing to relate."""

from __future__ import annotations

from collections.abc import Sequence

from mir_task.report.checkpoint import Comparison
from mir_task.report.schema import Fit
from mir_task.report.text import count, join, p_equals, sentence, short


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
        return [f"All {total} models differ in MIR beyond its errors (95%, all pairs of models together)."]
    return [
        f"{sentence(count(tied, 'model'))} of {total} cannot be told from another of their group by MIR (95%, all "
        "pairs of models together)."
    ]


def score_noise(fits: Sequence[Fit]) -> list[str]:
    """The groups whose scores are within their own noise."""
    found = [(fit.group, fit.score_noise) for fit in fits if fit.score_noise and fit.score_noise.within_noise]
    if not found:
        return []
    names = short([fit.group for fit in fits])
    listed = join([f"{names[group]} ({p_equals(noise.p)})" for group, noise in found])
    return [
        f"The scores of {listed} differ no more than their errors allow: they cannot tell any predictor right or wrong."
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
