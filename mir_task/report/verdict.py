"""What the numbers allow one to say: the decision, the reasons that matter most to it, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mir_task.report.checkpoint import Comparison
from mir_task.report.reasons_beside import against_counts, against_each
from mir_task.report.reasons_noise import noise, nothing_to_relate, score_noise
from mir_task.report.reasons_order import certainty, cost, ordering
from mir_task.report.reasons_slope import across, size
from mir_task.report.regress import BesideMIR
from mir_task.report.schema import Against, Combined, Decision, Fit, Pooled

MOST_REASONS = 6
MOST_WARNINGS = 4
"""Warnings among the reasons, so that they leave room for what the decision rests on."""


@dataclass(frozen=True)
class Verdict:
    """The decision in a sentence, and the sentences that explain it."""

    headline: str
    reasons: list[str]
    """At most six, warnings first."""
    details: list[str] = field(default_factory=list)
    """The rest."""

    @property
    def sentences(self) -> list[str]:
        """Reasons and details."""
        return [*self.reasons, *self.details]

    @property
    def all(self) -> list[str]:
        """Headline, reasons and details."""
        return [self.headline, *self.sentences]


def verdict(
    decision: Decision,
    comparison: Comparison,
    fits: Sequence[Fit],
    pool: Pooled | None = None,
    beside_mir: Sequence[BesideMIR] = (),
    combined: Combined | None = None,
    against: Sequence[Against] = (),
    warnings: Sequence[str] = (),
) -> Verdict:
    """The decision, and why: warnings, what it rests on, what choosing by MIR costs, other measures, noise."""
    related = [fit for fit in fits if fit.spearman]
    reasons = [*warnings[:MOST_WARNINGS], *score_noise(related), *decision.rests_on]
    reasons += [cost(fits)] if related else nothing_to_relate(fits)
    reasons += [*against_each(against), *noise(comparison)]
    details = [*reasons[MOST_REASONS:], *warnings[MOST_WARNINGS:]]
    if related:
        compared = {each.predictor for each in against}  # these have a sentence already
        details += [
            certainty(related, combined),
            ordering(related),
            size(related),
            *across(pool, related),
            *against_counts([both for both in beside_mir if both.baseline.predictor not in compared]),
        ]
    return Verdict(decision.sentence, reasons[:MOST_REASONS], details)
