"""Scores after SFT of checkpoints that were not fine-tuned yet, each by the line through the others of its group."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats

from mir_task.report.checkpoint import Checkpoint, Comparison
from mir_task.report.records import listing
from mir_task.report.schema import Interval, Prediction

Array = NDArray[np.float64]

MIN_SCORED = 5
"""Models with MIR and score from which a line predicts; see ``python -m mir_task.bench inference``."""
CONFIDENCE = 0.95


def predictions(comparison: Comparison) -> list[Prediction]:
    """Score and 95% prediction interval of every checkpoint without an average whose group has enough with one.

    The line is fitted to MIR as it was measured, noise included, so that a new checkpoint measured as well as the
    others needs no allowance for its own noise. What its noise is larger by is added.
    """
    found = []
    for group, members in comparison.groups.items():
        scored = [c for c in members if c.average is not None]
        x = np.array([c.mir for c in scored])
        if len(scored) < MIN_SCORED or np.ptp(x) == 0:
            continue
        y = np.array([c.average for c in scored], dtype=np.float64)
        for c in members:
            if c.average is None:
                predicted, interval = prediction_interval(x, y, c.mir, excess(c, scored))
                found.append(
                    Prediction(
                        group=group,
                        model=c.label,
                        mir=c.mir,
                        n=len(scored),
                        predicted=predicted,
                        interval=interval,
                        inside=bool(x.min() <= c.mir <= x.max()),
                    )
                )
    return found


def extrapolations(found: Sequence[Prediction]) -> list[str]:
    """What to know of predictions at a MIR that no scored model of the group has on one side."""
    outside: dict[str, list[str]] = {}
    for prediction in found:
        if not prediction.inside:
            outside.setdefault(prediction.group, []).append(prediction.model)
    return [
        f"{group}: the MIR of {listing(models)} lies outside the range of the models that have a score, so the "
        "predicted score is an extrapolation."
        for group, models in outside.items()
    ]


def prediction_interval(x: Array, y: Array, at: float, excess: float = 0.0) -> tuple[float, Interval]:
    """Value and 95% prediction interval of the line of y [n] on x [n] at a new x; n at least 3, x must vary.

    Args:
        x: predictor of the models that have both.
        y: their score.
        at: predictor of the new model.
        excess: variance of the noise of ``at`` beyond that of x.
    """
    line = sm.OLS(y, sm.add_constant(x)).fit()
    found = line.get_prediction(np.array([[1.0, at]]))
    predicted = float(found.predicted_mean[0])
    known = float(found.se_obs[0]) ** 2
    # Satterthwaite: the variance of the line is estimated, that of further noise of the new MIR given.
    further = float(line.params[1]) ** 2 * excess
    freedom = (len(x) - 2) * ((known + further) / known) ** 2 if known else math.inf
    width = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(known + further)
    return predicted, (predicted - width, predicted + width)


def interval_around_mean(y: Array) -> tuple[float, Interval]:
    """Mean of the scores y [n], n at least 2, and the 95% prediction interval of another one."""
    width = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(y) - 1) * y.std(ddof=1) * math.sqrt(1 + 1 / len(y)))
    return float(y.mean()), (float(y.mean() - width), float(y.mean() + width))


def excess(new: Checkpoint, scored: Sequence[Checkpoint]) -> float:
    """Variance of the noise of the new checkpoint's MIR beyond the scored ones' mean; 0 where either is not known."""
    known = [c.uncertainty**2 for c in scored if c.uncertainty is not None]
    if new.uncertainty is None or not known:
        return 0.0
    return max(0.0, new.uncertainty**2 - math.fsum(known) / len(known))
