"""MIR against the measures that one could use in its place: which puts more pairs of recipes in the right order?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mir_task.metrics import Better
from mir_task.report.averages import Averaged
from mir_task.report.columns import BASELINES, PROGRESS
from mir_task.report.combined import each_once
from mir_task.report.compare import Checkpoint
from mir_task.report.schema import Against

Array = NDArray[np.float64]


def against(averaged: Averaged, named: Mapping[str, Better]) -> list[Against]:
    """MIR against each baseline, and against training step (take the longest trained), over all groups together.

    Args:
        averaged: checkpoints with averages.
        named: baselines besides those known, and which end of each is better.
    """
    groups = averaged.comparison.groups
    columns = dict.fromkeys(name for members in groups.values() for c in members for name in c.extras)
    baselines: dict[str, Better] = {
        name: {**BASELINES, **named}.get(name, "lower") for name in columns if name not in PROGRESS
    }
    found = [against_one(groups, name, better) for name, better in baselines.items()]
    # One measure of training is enough, and it need not vary in every file: the first that tells models apart.
    trained = (against_one(groups, name, named.get(name, "higher")) for name in PROGRESS if name in columns)
    return [each for each in [*found, next((each for each in trained if each), None)] if each]


def against_one(groups: Mapping[str, Sequence[Checkpoint]], predictor: str, better: Better) -> Against | None:
    """MIR against one baseline; None where it varies in no group, or scores do not."""
    complete = {
        group: [c for c in members if predictor in c.extras] for group, members in each_once(groups).items()
    }
    numbers = [
        (members, _credits(members, predictor, better))
        for members in complete.values()
        if len({c.extras[predictor] for c in members}) > 1
    ]
    pairs = sum(int(counted.sum()) // 2 for _, (_, _, counted) in numbers)
    if not pairs:
        return None
    mir, baseline = (
        sum(float(credits[which][credits[2]].sum()) / 2 for _, credits in numbers) / pairs for which in (0, 1)
    )
    return Against(
        predictor=predictor,
        better=better,
        groups=len(numbers),
        recipes=sum(len(members) for members, _ in numbers),
        pairs=pairs,
        mir_share=mir,
        baseline_share=baseline,
        difference=mir - baseline,
        interval=None,
        p=None,
        p_baseline_better=None,
    )


def _credits(
    members: Sequence[Checkpoint], predictor: str, better: Better
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """For each pair of models [n, n]: credit of MIR, credit of the baseline, and whether the scores differ."""
    scores = _signs([c.average or 0.0 for c in members])
    mir = -_signs([c.mir for c in members]) * scores
    sign = 1 if better == "higher" else -1
    baseline = sign * _signs([c.extras[predictor] for c in members]) * scores
    return (1 + mir) / 2, (1 + baseline) / 2, scores != 0


def _signs(values: Sequence[float]) -> Array:
    x = np.asarray(values, dtype=np.float64)
    return np.sign(x[:, None] - x[None, :])
