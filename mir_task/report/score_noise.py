"""Noise of the scores: standard errors of averages, and whether the averages of a group differ beyond them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.schema import ScoreNoise

SIGNIFICANCE = 0.05
"""Averages that noise makes differ as much more often than this do not differ beyond it."""


def average_error(checkpoint: Checkpoint, factors: Mapping[str, float]) -> tuple[float | None, float]:
    """Standard error of the mean of benchmarks, each times its factor, and the degrees of freedom of that error.

    A benchmark's error is what its spread over runs of SFT says of their mean, since that holds the sampling of its
    questions too, or else the standard error that its file states. Errors of benchmarks are taken for independent.

    Args:
        checkpoint: with scores.
        factors: from a score to its part in the average before the division by their number, by benchmark.

    Returns:
        None and infinity where a benchmark has neither. Degrees of freedom by Satterthwaite; infinite of stated errors.
    """
    variance, uncertain = 0.0, 0.0
    for name, factor in factors.items():
        if name in checkpoint.score_spread:
            runs = checkpoint.score_runs_of.get(name, checkpoint.score_runs)
            part = (factor * checkpoint.score_spread[name]) ** 2 / runs
            uncertain += part**2 / (runs - 1)
        elif name in checkpoint.score_errors:
            part = (factor * checkpoint.score_errors[name]) ** 2
        else:
            return None, math.inf
        variance += part
    freedom = variance**2 / uncertain if uncertain else math.inf
    return math.sqrt(variance) / len(factors) if factors else None, freedom


def score_noise(members: Sequence[Checkpoint]) -> ScoreNoise | None:
    """Whether the averages of a group differ more than their errors allow (Cochran's Q).

    Errors that come from few runs of SFT are pooled over the models, and Q is then compared with Fisher's F.

    Returns:
        None of fewer than two models, or where one has no error of its average, or an error of zero.
    """
    scored = [c for c in members if c.average is not None]
    variances = np.array([(c.average_error or 0.0) ** 2 for c in scored])
    if len(scored) < 2 or not variances.all():
        return None
    runs = np.array([c.score_runs for c in scored])
    freedoms = np.array([c.average_freedom for c in scored])
    few = np.isfinite(freedoms)
    freedom = math.inf
    if few.any():
        # Of one run's variance each model has an estimate with few degrees of freedom; together they have more.
        of_one_run = float(np.average((variances * runs)[few], weights=freedoms[few]))
        variances[few] = of_one_run / runs[few]
        freedom = float(freedoms[few].sum())
    averages = np.array([c.average for c in scored], dtype=np.float64)
    mean = np.average(averages, weights=1 / variances)
    q = float(((averages - mean) ** 2 / variances).sum())
    between = len(scored) - 1
    p = float(stats.chi2.sf(q, between) if math.isinf(freedom) else stats.f.sf(q / between, between, freedom))
    return ScoreNoise(
        q=q,
        degrees_of_freedom=(between, None if math.isinf(freedom) else freedom),
        p=p,
        within_noise=p >= SIGNIFICANCE,
    )
