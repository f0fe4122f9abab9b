"""Joint draws of what the checkpoints of one group may be: their true MIR, their scores, or their scores after SFT.

Every function returns draws [draws, n] in which higher is better, with a fixed seed. 40,000 draws give a probability to
half a point; of groups of more than 100 models there are fewer, and it is known to a point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.decision.telling import MIR, Telling
from mir_task.report.paired import error_covariance, groups_of_pairs, spread_of_runs
from mir_task.report.predict import excess

Array = NDArray[np.float64]

DRAWS = 40_000
MOST_NUMBERS = 4_000_000
SEED = 0


def of_mir(members: Sequence[Checkpoint]) -> Array | None:
    """Draws of minus the true MIR; None where the error of one is not known.

    Multivariate t around the measured values, with the covariance of their errors. Its degrees of freedom are the
    fewest of the jackknife over groups of pairs and of the spread over training seeds, as where ties are told.
    """
    covariance = error_covariance(members)
    if covariance is None:
        return None
    random, count = _start(len(members))
    values, vectors = np.linalg.eigh(covariance)
    errors = random.normal(size=(count, len(members))) * np.sqrt(values.clip(min=0)) @ vectors.T
    freedom = min(*(groups_of_pairs(c) - 1.0 for c in members), spread_of_runs(members)[1])
    errors *= np.sqrt(freedom / random.chisquare(freedom, size=(count, 1)))
    return np.asarray(errors - np.array([c.mir for c in members]))


def of_scores(members: Sequence[Checkpoint]) -> Array | None:
    """Draws of the true scores of checkpoints that have one; None where the error of one is not known.

    Errors are taken for independent: those of models scored on the same questions are not, which makes probabilities
    less extreme than they are.
    """
    if any(c.average_error is None for c in members):
        return None
    random, count = _start(len(members))
    return np.column_stack([_scored(c, random, count) for c in members])


def of_predictions(members: Sequence[Checkpoint], by: Telling | None) -> Array | None:
    """Draws of scores after SFT: measured ones with their errors, the others by the line through those measured.

    The line is that of the predictor, or with None the plain mean. Its coefficients and the spread around it are drawn
    from their joint distribution given the measured scores (normal errors, the usual uninformative prior), so that each
    alone has the prediction interval of least squares, and checkpoints share what is not known of the line. A score
    without a standard error is taken as measured.

    Args:
        members: checkpoints, some with an average.
        by: a predictor that all of them have.

    Returns:
        None where too few are scored, or the predictor does not vary among them.
    """
    measured = [c for c in members if c.average is not None]
    scored = np.array([c.average is not None for c in members])
    design = np.ones((len(members), 1))
    if by is not None:
        x = np.array([by.value(c) for c in members], dtype=np.float64)
        design = np.column_stack([design, x - x[scored].mean()])
    known = design[scored]
    freedom = len(known) - design.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(known) < design.shape[1]:
        return None
    y = np.array([c.average for c in measured], dtype=np.float64)
    fitted, residuals = _least_squares(known, y)
    random, count = _start(len(members))
    spread = np.sqrt(residuals / random.chisquare(freedom, size=(count, 1)))
    root = np.linalg.cholesky(np.linalg.inv(known.T @ known))
    coefficients = fitted + spread * (random.normal(size=(count, len(fitted))) @ root.T)
    draws = np.empty((count, len(members)))
    for position, checkpoint in enumerate(members):
        if checkpoint.average is not None:
            draws[:, position] = _scored(checkpoint, random, count)
            continue
        draws[:, position] = coefficients @ design[position] + spread[:, 0] * random.normal(size=count)
        if by is not None and by.predictor == MIR:
            noise = math.sqrt(excess(checkpoint, measured))
            draws[:, position] += coefficients[:, 1] * noise * random.normal(size=count)
    return draws


def _least_squares(design: Array, y: Array) -> tuple[Array, float]:
    fitted = np.asarray(np.linalg.lstsq(design, y, rcond=None)[0], dtype=np.float64)
    return fitted, float(np.square(y - design @ fitted).sum())


def _scored(checkpoint: Checkpoint, random: np.random.Generator, count: int) -> Array:
    assert checkpoint.average is not None
    error = checkpoint.average_error
    if not error:
        return np.full(count, checkpoint.average)
    few = math.isfinite(checkpoint.average_freedom)
    noise = random.standard_t(checkpoint.average_freedom, count) if few else random.normal(size=count)
    return np.asarray(checkpoint.average + error * noise)


def _start(models: int) -> tuple[np.random.Generator, int]:
    return np.random.default_rng(SEED), min(DRAWS, max(1, MOST_NUMBERS // models))
