"""What one model does to a fit: the slope and Pearson's r without each model in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import statsmodels.api as sm
from numpy.typing import NDArray

from mir_task.report.schema import Influence, Interval

Array = NDArray[np.float64]


def influence(x: Array, y: Array, names: Sequence[str]) -> Influence | None:
    """Slope of y [n] on x [n] and Pearson's r without each of the models ``names`` [n], n at least 4.

    Returns:
        None where x would not vary without one of them.
    """
    found = influence_of(sm.OLS(y, sm.add_constant(x)).fit(), 1, names)
    return found and found.model_copy(update={"pearson": _pearson_without_each(x, y)})


def influence_of(line: Any, term: int | str, names: Sequence[str]) -> Influence | None:
    """Coefficient of one term of a fitted statsmodels line without each observation; without ranges of Pearson's r.

    Returns:
        None where the line cannot be fitted without one of them.
    """
    column = term if isinstance(term, int) else line.model.exog_names.index(term)
    design = np.asarray(line.model.exog)
    # DFBETA in closed form: statsmodels' own fits every line again.
    inverse = np.linalg.pinv(design)
    leverage = np.einsum("ij,ji->i", design, inverse)
    needed = leverage > 1 - 1e-9
    changes = np.where(
        needed, 0.0, inverse[column] * np.asarray(line.resid) / np.where(needed, 1.0, 1 - leverage)
    )
    # A model alone in its group sets that group's level and nothing else: without it the slope is the same.
    if needed.any() and not _only_levels(line, needed, column):
        return None
    estimate = float(np.asarray(line.params)[column])
    without = estimate - changes
    most = int(np.abs(changes).argmax())
    return Influence(
        slopes=(float(without.min()), float(without.max())),
        pearson=None,
        model=names[most],
        slope_without=float(without[most]),
    )


def _only_levels(line: Any, needed: NDArray[np.bool_], column: int) -> bool:
    """Whether the term still varies, beside the other terms, among the observations that are not needed."""
    rest = np.asarray(line.model.exog)[~needed]
    others = np.delete(rest, column, axis=1)
    return len(rest) > 0 and np.linalg.matrix_rank(rest) > np.linalg.matrix_rank(others)


def _pearson_without_each(x: Array, y: Array) -> Interval | None:
    found = []
    for left_out in range(len(x)):
        rest = np.arange(len(x)) != left_out
        if np.ptp(x[rest]) == 0 or np.ptp(y[rest]) == 0:
            return None
        found.append(float(np.corrcoef(x[rest], y[rest])[0, 1]))
    return min(found), max(found)
