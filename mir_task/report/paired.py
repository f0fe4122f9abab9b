"""Errors of MIR of several checkpoints together: models measured on the same pairs share the noise of the pairs.

Their difference is then known better than either of them. The jackknife's values without each group of pairs in turn,
taken together, tell how much of the noise two models share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mir_task.report.records import Run

if TYPE_CHECKING:
    from mir_task.report.compare import Checkpoint

Array = NDArray[np.float64]
Choice = tuple[object, ...]
"""What must be equal for two results' groups to be groups of the same pairs."""


def error_covariance(members: Sequence[Checkpoint]) -> Array | None:
    """Covariance matrix [n, n] of the errors of the checkpoints' MIR, in the order given.

    Diagonal: the square of the standard error, or the mean of the squares where there are several runs, plus what their
    spread says of the mean of the runs. Off the diagonal: the covariance by paired jackknife values where two results
    have them of the same groups of pairs; zero otherwise. Several choices of pairs (seeds) overlap, so their errors are
    not taken for independent.

    Returns:
        None where the error of one of them is not known. Positive semidefinite otherwise.
    """
    if any(c.uncertainty is None for c in members):
        return None
    of_pairs = [_by_choice(c) for c in members]
    covariance = np.zeros((len(members), len(members)))
    for i, mine in enumerate(of_pairs):
        for j, theirs in enumerate(of_pairs[:i]):
            covariance[i, j] = covariance[j, i] = sum(
                math.sqrt(weight * theirs[choice][0]) * _jackknife(values, theirs[choice][1])
                for choice, (weight, values) in mine.items()
                if choice in theirs
            )
        covariance[i, i] = (members[i].uncertainty or 0.0) ** 2
    return covariance


def choice_of_pairs(run: Run) -> Choice | None:
    """What tells whether two runs' groups are of the same pairs; None where the run has no jackknife values.

    Pairs are dealt to groups by their number among all pairs, those skipped included.
    """
    result = run.result
    if result is None or not result.mir_left_out or result.protocol is None or not result.protocol.pair_ids:
        return None
    skipped = tuple(pair.number for pair in result.skipped)
    return (*result.protocol.pair_ids, skipped, result.groups, len(result.mir_left_out))


def _by_choice(checkpoint: Checkpoint) -> dict[Choice, tuple[float, Array]]:
    """For each choice of pairs: the share of the checkpoint's runs, and the mean of their jackknife values."""
    values: dict[Choice, list[Sequence[float]]] = {}
    for run in checkpoint.runs:
        choice = choice_of_pairs(run)
        if choice is not None and run.result and run.result.mir_left_out:
            values.setdefault(choice, []).append(run.result.mir_left_out)
    return {
        choice: (len(each) / len(checkpoint.runs), np.mean(np.array(each), axis=0))
        for choice, each in values.items()
    }


def _jackknife(a: Array, b: Array) -> float:
    """Covariance of two estimates by delete-a-group jackknife, from their values [G] without each group."""
    groups = len(a)
    return (groups - 1) / groups * float((a - a.mean()) @ (b - b.mean()))
