"""Which models of a leaderboard differ in MIR beyond their errors, and the ranks that this leaves open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.holm import holm
from mir_task.report.paired import error_covariance, groups_of_pairs, share_pairs, spread_of_runs

SIGNIFICANCE = 0.05
"""Leaderboards of equal models that call any two of them different."""


def ranked(groups: Sequence[Sequence[Checkpoint]]) -> list[Checkpoint]:
    """The checkpoints of all groups, each with its ranks within its group and the models that it ties with."""
    found = []
    for members, differ in zip(groups, told_apart(groups), strict=True):
        mir = np.array([c.mir for c in members])
        above = differ & (mir[:, None] > mir[None, :])
        for index, c in enumerate(members):
            others = (other for other in range(len(members)) if other != index)
            found.append(
                replace(
                    c,
                    rank=(int(above[index].sum()) + 1, len(members) - int(above[:, index].sum())),
                    tied_with=frozenset(members[o].name for o in others if not differ[index, o]),
                )
            )
    return found


def told_apart(groups: Sequence[Sequence[Checkpoint]]) -> list[NDArray[np.bool_]]:
    """Whether each two models [n, n] of a group differ in MIR, at 5% over all pairs of all groups together (Holm).

    Student's t of the difference, paired where two models were measured on the same pairs. A model without a standard
    error ties with all others; where no model of a group has one, MIR is taken as it stands.
    """
    p_values = [_p_values(members) for members in groups]
    first = [np.triu_indices(len(p), k=1) for p in p_values]
    tested = np.concatenate([np.zeros(0), *(p[pairs] for p, pairs in zip(p_values, first, strict=True))])
    known = np.isfinite(tested)
    differ = np.zeros(len(tested), dtype=bool)
    differ[known] = holm(tested[known]) <= SIGNIFICANCE
    found, at = [], 0
    for members, pairs in zip(groups, first, strict=True):
        matrix = np.zeros((len(members), len(members)), dtype=bool)
        if all(c.uncertainty is None for c in members):
            mir = np.array([c.mir for c in members])
            matrix = mir[:, None] != mir[None, :]
        else:
            matrix[pairs] = differ[at : at + len(pairs[0])]
            matrix |= matrix.T
        at += len(pairs[0])
        found.append(matrix)
    return found


def ties(members: Sequence[Checkpoint]) -> NDArray[np.bool_]:
    """Whether each two checkpoints [n, n] are of one group and tie in its leaderboard."""
    return np.array(
        [[a.group == b.group and b.name in a.tied_with for b in members] for a in members], dtype=bool
    )


def _p_values(members: Sequence[Checkpoint]) -> NDArray[np.float64]:
    """Two-sided p [n, n] of the difference of each two models; NaN where the error of one is not known."""
    p = np.full((len(members), len(members)), math.nan)
    known = [index for index, c in enumerate(members) if c.uncertainty is not None]
    covariance = error_covariance([members[index] for index in known])
    assert covariance is not None
    mir = np.array([members[index].mir for index in known])
    errors = np.diag(covariance)
    variance = np.maximum(errors[:, None] + errors[None, :] - 2 * covariance, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(mir[:, None] - mir[None, :]) / np.sqrt(variance)
    t[mir[:, None] == mir[None, :]] = 0.0
    p[np.ix_(known, known)] = 2 * stats.t.sf(t, _freedom([members[index] for index in known]))
    return p


def _freedom(members: Sequence[Checkpoint]) -> NDArray[np.float64]:
    """Degrees of freedom [n, n] of the variance of each difference: those of its noise of pairs, or of runs if fewer.

    Of noise of the pairs one less than there are groups of pairs; by Welch's formula where the pairs are not shared.
    Satterthwaite's formula for pairs and runs together was tried and left: with two runs each, chance makes some
    spreads so small that it calls equal models different too often.
    """
    of_pairs = np.array([(c.standard_error or 0.0) ** 2 for c in members])
    freedom = np.array([groups_of_pairs(c) - 1.0 for c in members])
    fewest = np.minimum(freedom[:, None], freedom[None, :])
    single = of_pairs**2 / freedom
    uncertain = single[:, None] + single[None, :]
    whole = (of_pairs[:, None] + of_pairs[None, :]) ** 2
    welch = np.divide(whole, uncertain, out=fewest.copy(), where=uncertain > 0)
    of_difference = np.where(share_pairs(members), fewest, welch)
    return np.asarray(np.minimum(of_difference, spread_of_runs(members)[1]))
