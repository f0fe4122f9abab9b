"""How many pairs of models each baseline and MIR put in order, in one chart."""

from __future__ import annotations

from collections.abc import Sequence

from mir_task.report.figures.chart import Axis, Chart, Point, Series
from mir_task.report.regress import BesideMIR
from mir_task.report.schema import Fit

APART = 0.16
"""Distance of a baseline and MIR from the middle of their row; rows are one apart."""


def beside(found: Sequence[BesideMIR], name: str = "baselines") -> Chart | None:
    """A row for each baseline: its share of pairs in order, and that of MIR on the same models; small: each group.

    Returns:
        None if no baseline orders any pair.
    """
    by_name: dict[str, list[BesideMIR]] = {}
    for both in found:
        by_name.setdefault(both.baseline.predictor, []).append(both)
    rows = [
        (predictor, several)
        for predictor, several in by_name.items()
        if _share([b.baseline for b in several])
    ]
    if not rows:
        return None
    theirs, ours, theirs_each, ours_each = [], [], [], []
    for place, (_, several) in enumerate(rows):
        baseline, mir = [both.baseline for both in several], [both.mir for both in several]
        theirs += _all(baseline, place - APART)
        ours += _all(mir, place + APART)
        theirs_each += [point for fit in baseline for point in _all([fit], place - APART)]
        ours_each += [point for fit in mir for point in _all([fit], place + APART)]
    several_groups = any(len(several) > 1 for _, several in rows)
    each = [
        Series("baseline, each group", theirs_each, 1, 1, hollow=True),
        Series("MIR, each group", ours_each, 0, 0, hollow=True),
    ]
    return Chart(
        name,
        "Pairs of models in order",
        "Share of pairs of models within groups that a predictor puts in the order of their scores, each baseline and "
        "MIR on the same models"
        + (" (filled: all groups, open: each)" if several_groups else "")
        + ". A coin would get 50%.",
        Axis("pairs in order", limits=(-0.03, 1.03), shares=True),
        Axis("", rows=[predictor for predictor, _ in rows], row=2.2),
        [
            *(each if several_groups else []),
            Series("baseline", theirs, 1, 1),
            Series("MIR on the same models", ours, 0, 0),
        ],
        guides=[("x", 0.5)],
        legend=True,
        png=True,
    )


def _share(fits: Sequence[Fit]) -> tuple[int, int] | None:
    counted = [fit.ranking_accuracy for fit in fits if fit.ranking_accuracy and fit.ranking_accuracy.pairs]
    return (sum(a.correct for a in counted), sum(a.pairs for a in counted)) if counted else None


def _all(fits: Sequence[Fit], place: float) -> list[Point]:
    share = _share(fits)
    return [Point(share[0] / share[1], place)] if share else []
