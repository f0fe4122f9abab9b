"""What a user does with a predictor: put two models in order, or choose the best of several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mir_task.metrics import Better
from mir_task.report.schema import RankingAccuracy, Regret

Array = NDArray[np.float64]


def ranking_accuracy(
    x: Array,
    y: Array,
    better: Better,
    tied: NDArray[np.bool_] | None = None,
    groups: Sequence[str] | None = None,
) -> RankingAccuracy:
    """How often the better predictor has the higher score.

    Args:
        x: [n] predictor.
        y: [n] score, higher is better.
        better: which end of x is better.
        tied: [n, n] pairs whose x cannot be told apart, to count those among the pairs.
        groups: [n] names; count only pairs of one group.
    """
    first, second = np.triu_indices(len(x), k=1)
    if groups is not None:
        names = np.asarray(groups)
        same = names[first] == names[second]
        first, second = first[same], second[same]
    agreement = np.sign(x[first] - x[second]) * np.sign(y[first] - y[second])
    correct = int((agreement == (-1 if better == "lower" else 1)).sum())
    counted = agreement != 0
    pairs = int(counted.sum())
    open_pairs = np.zeros(len(first), dtype=bool) if tied is None else tied[first, second]
    return RankingAccuracy(
        value=correct / pairs if pairs else None,
        correct=correct,
        pairs=pairs,
        tied=len(first) - pairs,
        within_error=int((open_pairs & counted).sum()),
    )


def regret(x: Array, y: Array, better: Better, names: Sequence[str]) -> Regret:
    """Score lost by choosing the model that the predictor puts first, against the best."""
    chosen = x == (x.min() if better == "lower" else x.max())
    best = y == y.max()
    return Regret(
        lost=float(y.max() - y[chosen].mean()),
        chosen=[name for name, hit in zip(names, chosen, strict=True) if hit],
        best=[name for name, hit in zip(names, best, strict=True) if hit],
        by_chance=float(y.max() - y.mean()),
    )
