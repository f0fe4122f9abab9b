"""Every fit of the report: MIR and baselines, against the average and each benchmark, by group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mir_task.metrics import Better
from mir_task.report import association, choice
from mir_task.report.averages import AVERAGE, Averaged
from mir_task.report.checkpoint import Checkpoint
from mir_task.report.choice import Array
from mir_task.report.columns import BASELINES, PROGRESS
from mir_task.report.influence import influence
from mir_task.report.progress import progress
from mir_task.report.schema import Fit
from mir_task.report.score_noise import score_noise
from mir_task.report.ties import ties

MIR = "mir"


@dataclass(frozen=True)
class BesideMIR:
    """A baseline and MIR on the same models: those that have both."""

    baseline: Fit
    mir: Fit


def score_of(checkpoint: Checkpoint, score: str) -> float | None:
    """A checkpoint's average or score of one benchmark, more is better: one that is better when lower is negated."""
    if score == AVERAGE:
        return checkpoint.average
    value = checkpoint.scores.get(score)
    return -value if value is not None and score in checkpoint.lower_is_better else value


def predictor_of(checkpoint: Checkpoint, predictor: str) -> float | None:
    """A checkpoint's MIR or baseline."""
    return checkpoint.mir if predictor == MIR else checkpoint.extras.get(predictor)


def fit(
    members: Sequence[Checkpoint],
    group: str,
    score: str = AVERAGE,
    predictor: str = MIR,
    better: Better = "lower",
    also: str = MIR,
) -> Fit | None:
    """Relate one predictor to one score, over the models that have both.

    Args:
        members: the group's checkpoints.
        group: its name.
        score: ``average`` or a benchmark.
        predictor: ``mir`` or a baseline's column.
        better: which end of the predictor is better.
        also: another predictor that the models must have, to compare like with like.

    Returns:
        None if no model has the score.
    """
    if not any(score_of(c, score) is not None for c in members):
        return None
    complete = [
        c
        for c in members
        if score_of(c, score) is not None
        and predictor_of(c, predictor) is not None
        and predictor_of(c, also) is not None
    ]
    x = np.array([predictor_of(c, predictor) for c in complete], dtype=np.float64)
    y = np.array([score_of(c, score) for c in complete], dtype=np.float64)
    names = [c.label for c in complete]
    kept = set(map(id, complete))
    notes, numbers = _numbers(x, y, score, predictor)
    if len(x) >= 2:
        tied = ties(complete) if predictor == MIR else None
        if "slope" in numbers and len(x) >= association.MIN_FOR_INTERVAL:
            numbers["influence"] = influence(x, y, names)
        numbers["ranking_accuracy"] = choice.ranking_accuracy(x, y, better, tied)
        numbers["regret"] = choice.regret(x, y, better, names)
    return Fit.model_validate(
        {
            "group": group,
            "predictor": predictor,
            "better": better,
            "score": score,
            "over": list(complete[0].average_over) if score == AVERAGE and complete else [],
            "n": len(complete),
            "excluded": [c.label for c in members if id(c) not in kept],
            "score_noise": score_noise(complete) if predictor == MIR and score == AVERAGE else None,
            "notes": notes,
            **numbers,
        }
    )


def constant(fits: Sequence[Fit]) -> list[str]:
    """Why fits of enough models have no correlation: MIR or scores do not vary."""
    without = [fit for fit in fits if fit.n >= association.MIN_FOR_CORRELATION and fit.pearson is None]
    return [f"{fit.group}: {note}" for fit in without for note in fit.notes]


def by_group(averaged: Averaged) -> list[Fit]:
    """MIR against the average, in each group that has one."""
    found = (fit(members, group) for group, members in averaged.comparison.groups.items())
    return [each for each in found if each is not None]


def by_benchmark(averaged: Averaged) -> list[Fit]:
    """MIR against each benchmark, in each group."""
    return [
        found
        for group, members in progress(averaged.comparison.groups.items(), "Relating MIR to benchmarks")
        for name in dict.fromkeys(name for c in members for name in c.scores)
        if (found := fit(members, group, name)) is not None
    ]


def baselines(averaged: Averaged, named: Mapping[str, Better]) -> list[BesideMIR]:
    """Each baseline against the average, in each group that has both."""
    known = {**BASELINES, **named}
    found = []
    for group, members in averaged.comparison.groups.items():
        columns = dict.fromkeys(name for c in members for name in c.extras if name not in PROGRESS)
        for name in columns:
            baseline = fit(members, group, predictor=name, better=known.get(name, "lower"))
            mir = fit(members, group, also=name)
            if baseline is not None and mir is not None:
                found.append(BesideMIR(baseline, mir))
    return found


def _numbers(x: Array, y: Array, score: str, predictor: str) -> tuple[list[str], dict[str, object]]:
    """Notes on what is missing, and the correlations and line, as fields of a fit."""
    n = len(x)
    if n < association.MIN_FOR_CORRELATION:
        return [f"{n} models: too few for a correlation"], {}
    shown = "MIR" if predictor == MIR else predictor
    for what, values in ((shown, x), (score, y)):
        if np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
            return [f"{what} is the same for all {n} models: nothing to relate"], {}
    measures: dict[str, Callable[[Array, Array], object]] = {
        "pearson": association.pearson,
        "spearman": association.spearman,
        "kendall": association.kendall,
        "slope": association.slope,
    }
    numbers = {name: measure(x, y) for name, measure in measures.items()}
    notes = []
    if n < association.MIN_FOR_INTERVAL:
        notes.append(f"{n} models: no interval is claimed")
    else:
        numbers["loo"] = association.leave_one_out(x, y)
        if numbers["loo"] is None:
            notes.append(f"without one model, {shown} would not vary: no leave-one-out error")
    return notes, numbers
