"""Errors of MIR of several checkpoints together: models measured on the same pairs share the noise of the pairs.

Their difference is then known better than either of them. The jackknife's values without each group of pairs in turn,
taken together, tell how much of the noise two models share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.records import Run
from mir_task.report.schema import Interval

Array = NDArray[np.float64]
Choice = tuple[object, ...]
"""What must be equal for two results' groups to be groups of the same pairs."""

USUAL_GROUPS = 10
"""Groups of pairs of this package's measurements, for tables that give a standard error alone."""


def error_covariance(members: Sequence[Checkpoint]) -> Array | None:
    """Covariance matrix [n, n] of the errors of the checkpoints' MIR, in the order given.

    Diagonal: the square of the standard error, from the jackknife values where there are some, and what the spread over
    runs says (:func:`spread_of_runs`). Off the diagonal: the covariance by paired jackknife values, where two results
    have them of the same groups of pairs; zero otherwise. Runs are averaged. Several choices of pairs (seeds) overlap,
    so their errors are not taken for independent.

    Returns:
        None where the error of one of them is not known. Positive semidefinite otherwise.
    """
    if any(c.uncertainty is None for c in members):
        return None
    covariance = np.zeros((len(members), len(members)))
    for having in _by_choice(members).values():
        indices = list(having)
        deviations = np.array([having[index] for index in indices])
        covariance[np.ix_(indices, indices)] += deviations @ deviations.T
    # Not the standard error throughout: it may be rounded, and the small variance of a difference is a remainder.
    without = np.array([_share_without_values(c) for c in members])
    errors = np.array([c.standard_error or 0.0 for c in members])
    return np.asarray(covariance + np.diag(without * errors**2 + spread_of_runs(members)[0]))


def _share_without_values(checkpoint: Checkpoint) -> float:
    """Share of the checkpoint's runs that have no jackknife values."""
    without = [choice_of_pairs(run) is None for run in checkpoint.runs]
    return sum(without) / len(without) if without else 1.0


def spread_of_runs(members: Sequence[Checkpoint]) -> tuple[Array, float]:
    """Variance [n] that runs (training seeds) add to the mean of each checkpoint's runs, and its degrees of freedom.

    Of one run's variance few runs tell little, so it is pooled over the checkpoints, which have one recipe's kind of
    noise each: those of a single run take it too. A checkpoint whose own is larger keeps it. Runs on different pairs
    differ by the noise of the pairs already; only what goes beyond counts.

    Returns:
        Zeros and infinity where no checkpoint has several runs.
    """
    runs = np.array([max(1, len(c.runs)) for c in members], dtype=np.float64)
    own = np.array([_beyond_pairs(c) for c in members])
    freedom = float((runs - 1).sum())
    if not freedom:
        return np.zeros(len(members)), math.inf
    of_one_run = float(((runs - 1) * own).sum()) / freedom
    return np.maximum(own, of_one_run) / runs, freedom


def _beyond_pairs(checkpoint: Checkpoint) -> float:
    """Variance over the checkpoint's runs, less the noise of the pairs where each run has other pairs."""
    choices = [choice_of_pairs(run) for run in checkpoint.runs]
    apart = None not in choices and len(set(choices)) == len(choices)
    noise = (checkpoint.standard_error or 0.0) ** 2 if apart else 0.0
    return max(0.0, (checkpoint.spread or 0.0) ** 2 - noise)


def share_pairs(members: Sequence[Checkpoint]) -> NDArray[np.bool_]:
    """Whether each two checkpoints [n, n] have jackknife values of the same groups of pairs."""
    shared = np.zeros((len(members), len(members)), dtype=bool)
    for having in _by_choice(members).values():
        shared[np.ix_(list(having), list(having))] = True
    return shared


def groups_of_pairs(checkpoint: Checkpoint) -> int:
    """Groups of pairs behind the checkpoint's standard error: the fewest of its runs."""
    known = [run.result.groups for run in checkpoint.runs if run.result and run.result.groups]
    return max(2, min(known, default=USUAL_GROUPS))


def interval_over_pairs(checkpoint: Checkpoint) -> Interval | None:
    """95% interval of the checkpoint's MIR over other choices of pairs, Student's t over its groups of pairs.

    Returns:
        None without a standard error, and of several runs: of how far these lie apart two or three say too
        little.
    """
    if not checkpoint.standard_error or len(checkpoint.runs) > 1:
        return None
    reach = float(stats.t.ppf(0.975, groups_of_pairs(checkpoint) - 1)) * checkpoint.standard_error
    return checkpoint.mir - reach, checkpoint.mir + reach


def choice_of_pairs(run: Run) -> Choice | None:
    """What tells whether two runs' groups are of the same pairs; None where the run has no jackknife values.

    Pairs are dealt to groups by their number among all pairs, those skipped included.
    """
    result = run.result
    if result is None or not result.mir_left_out or result.protocol is None or not result.protocol.pair_ids:
        return None
    skipped = tuple(pair.number for pair in result.skipped)
    return (*result.protocol.pair_ids, skipped, result.groups, len(result.mir_left_out))


def _by_choice(members: Sequence[Checkpoint]) -> dict[Choice, dict[int, Array]]:
    """By choice of pairs and index of a checkpoint: deviations [G] whose products sum to covariances.

    ``sqrt(w (G - 1) / G) (value_g - mean)``, values averaged over those of the checkpoint's runs that have this choice,
    w their share of its runs.
    """
    values: dict[Choice, dict[int, list[Sequence[float]]]] = {}
    for index, c in enumerate(members):
        for run in c.runs:
            choice = choice_of_pairs(run)
            if choice is not None and run.result and run.result.mir_left_out:
                values.setdefault(choice, {}).setdefault(index, []).append(run.result.mir_left_out)

    def deviations(index: int, of_runs: list[Sequence[float]]) -> Array:
        mean = np.mean(np.array(of_runs, dtype=np.float64), axis=0)
        scale = len(of_runs) / len(members[index].runs) * (len(mean) - 1) / len(mean)
        return np.asarray(np.sqrt(scale) * (mean - mean.mean()))

    return {
        choice: {index: deviations(index, of_runs) for index, of_runs in having.items()}
        for choice, having in values.items()
    }
