"""Models with scores that have no MIR under their name: what may be meant, in words."""

from __future__ import annotations

from collections.abc import Sequence

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.names import near
from mir_task.report.records import MIRReportError, Row, listing

NAME_ALIKE = "Name the models and their groups alike, or give --mapping a table pretrained,finetuned"


def refuse_no_overlap(models: Sequence[Checkpoint], rows: Sequence[Row]) -> None:
    """Refuse scores none of whose models was measured.

    Raises:
        MIRReportError: naming both sides.
    """
    measured = sorted({model.name for model in models})
    scored = sorted({row.model for row in rows})
    raise MIRReportError(
        f"no model has both MIR and scores. MIR: {listing(measured)}. Scores: {listing(scored)}."
        f"{_hint(models, rows)} {NAME_ALIKE}"
    )


def said_of_unmatched(
    models: Sequence[Checkpoint], unmatched: Sequence[Row], scored: int
) -> tuple[list[str], list[str]]:
    """Sentences about rows that joined no model.

    Args:
        models: with MIR.
        unmatched: the rows.
        scored: rows with scores in all.

    Returns:
        Problems, where half of the rows or more are unmatched; what else the reader should know, where fewer are.
    """
    if not unmatched:
        return [], []
    names = listing(sorted(row.model for row in unmatched))
    text = f"{len(unmatched)} of the {scored} models with scores have no MIR under their name"
    if 2 * len(unmatched) >= scored:
        return [f"{text}: {names}.{_hint(models, unmatched)} {NAME_ALIKE}."], []
    return [], [f"{text}, and are left out: {names}.{_hint(models, unmatched)}"]


def _hint(models: Sequence[Checkpoint], rows: Sequence[Row]) -> str:
    """What may be meant by names that match nothing: the same model in another group, or a name that is near."""
    measured = {model.name: model for model in models}
    groups = {
        f"{model.group!r} of MIR, {row.group!r} of the scores"
        for row in rows
        if (model := measured.get(row.model)) and model.group and row.group and model.group != row.group
    }
    pairs = [
        f"{row.model} ~ {', '.join(hits)}"
        for row in rows
        if row.model not in measured and (hits := near(row.model, measured))
    ]
    found = f" The names of the groups differ: {listing(sorted(groups), 3)}." if groups else ""
    return found + (f" Near matches: {'; '.join(dict.fromkeys(pairs[:5]))}." if pairs else "")
