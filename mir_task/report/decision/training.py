"""A reason why MIR may not tell: low MIR that is a sign of little training."""

from __future__ import annotations

from dataclasses import replace

from mir_task.report.columns import PROGRESS
from mir_task.report.combined import combined
from mir_task.report.decision.power import ALPHA
from mir_task.report.decision.telling import Groups
from mir_task.report.text import count, p_exactly, percent


def less_trained(groups: Groups) -> list[str]:
    """The sentence that lower MIR goes with less training, where it does beyond chance; by the first measure of it."""
    for name, words in PROGRESS.items():
        found = combined(
            {
                group: [replace(c, average=c.extras.get(name)) for c in members]
                for group, members in groups.items()
            }
        )
        if found is None:
            continue
        if found.p_reversed >= ALPHA:
            return []
        return [
            f"Lower MIR is a sign of less training here: of {count(found.pairs, 'pair')} that differ in {words}, the "
            f"one of lower MIR was trained longer in {percent(found.concordance)} ({p_exactly(found.p_reversed)})."
        ]
    return []
