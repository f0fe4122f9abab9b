"""Correlation, slope and leave-one-out error of one score on one predictor, by scipy and statsmodels.

Below ``MIN_FOR_INTERVAL`` models no interval is claimed, below three no correlation: two points always lie on a line.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any

import numpy as np
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats

from mir_task.report.schema import Interval, Kendall, LeaveOneOut, Pearson, Slope, Spearman

Array = NDArray[np.float64]

MIN_FOR_CORRELATION = 3
MIN_FOR_INTERVAL = 4
MAX_FOR_EXACT = 7
"""7! = 5040 orders can all be tried; of more models asymptotic p-values are near enough."""
MAX_FOR_EXACT_TAU = 33
"""Without ties the distribution of tau over all orders is known in closed form; scipy takes it up to 33 models."""
CONFIDENCE = 0.95


def pearson(x: Array, y: Array) -> Pearson:
    """Pearson's r; x and y [n] must both vary, n at least 3. The exact p-value counts orders by |r|."""
    exact = len(x) <= MAX_FOR_EXACT
    found = stats.pearsonr(x, y)
    p = _exact_p((y - y.mean())[_orders(len(x))] @ (x - x.mean())) if exact else found.pvalue
    return Pearson(
        r=float(found.statistic),
        interval=_fisher(found, len(x)),
        p=_finite(p),
        p_method="exact permutation" if exact else "t distribution",
    )


def pearson_interval(x: Array, y: Array) -> Interval | None:
    """95% interval of Pearson's r by Fisher's z; None below 4 models or where all lie on a line."""
    return _fisher(stats.pearsonr(x, y), len(x))


def _fisher(found: Any, n: int) -> Interval | None:
    if n < MIN_FOR_INTERVAL or abs(found.statistic) >= 1 - 1e-12:
        return None
    return _interval(found.confidence_interval(CONFIDENCE))


def spearman(x: Array, y: Array) -> Spearman:
    """Spearman's rho: Pearson's r of the ranks."""
    exact = len(x) <= MAX_FOR_EXACT
    found = stats.spearmanr(x, y)
    p = found.pvalue
    if exact:
        first, second = (ranks - ranks.mean() for ranks in (stats.rankdata(x), stats.rankdata(y)))
        p = _exact_p(second[_orders(len(x))] @ first)
    return Spearman(
        rho=float(found.statistic),
        p=_finite(p),
        p_method="exact permutation" if exact else "t distribution",
    )


def kendall(x: Array, y: Array) -> Kendall:
    """Kendall's tau-b; its p-value is exact up to 33 models where none tie, and up to seven where some do."""
    n = len(x)
    ties = len(set(x)) < n or len(set(y)) < n
    exact = n <= (MAX_FOR_EXACT if ties else MAX_FOR_EXACT_TAU)
    found = stats.kendalltau(x, y, method="exact" if exact and not ties else "asymptotic")
    p = found.pvalue
    if exact and ties:  # scipy's own exact method knows no ties
        orders = _orders(n)
        first, second = (np.sign(values[:, None] - values[None, :]) for values in (x, y))
        p = _exact_p((first * second[orders[:, :, None], orders[:, None, :]]).sum(axis=(1, 2)))
    return Kendall(
        tau=float(found.statistic),
        p=_finite(p),
        p_method="exact permutation" if exact else "normal approximation",
    )


def slope(x: Array, y: Array) -> Slope:
    """Ordinary least squares and Theil-Sen."""
    line = sm.OLS(y, sm.add_constant(x)).fit()
    enough = len(x) >= MIN_FOR_INTERVAL
    return Slope(
        estimate=float(line.params[1]),
        interval=_interval(line.conf_int(1 - CONFIDENCE)[1]) if enough else None,
        intercept=float(line.params[0]),
        r_squared=float(line.rsquared),
        theil_sen=float(stats.theilslopes(y, x).slope),
    )


def leave_one_out(x: Array, y: Array) -> LeaveOneOut | None:
    """Errors of each point when the line is fitted to the others; None if one point alone makes x vary."""
    return compare_left_out(y, sm.add_constant(x), np.ones((len(y), 1)))


def compare_left_out(y: Array, design: Array, plain: Array) -> LeaveOneOut | None:
    """Leave-one-out errors of a design matrix [n, p] against a plainer one; None where one cannot be fitted."""
    errors = []
    for matrix in (design, plain):
        with np.errstate(divide="ignore", invalid="ignore"):
            influence = sm.OLS(y, matrix).fit().get_influence()
            if (influence.hat_matrix_diag > 1 - 1e-9).any():
                return None
            errors.append(float(np.sqrt(np.mean(np.square(influence.resid_press)))))
    return LeaveOneOut(rmse=errors[0], rmse_of_mean=errors[1], better_than_mean=errors[0] < errors[1])


def confidence_band(x: Array, y: Array, at: Array) -> tuple[Array, Array | None, Array | None]:
    """The fitted line at positions [m], and the ends of the 95% interval of the mean where n allows one."""
    line = sm.OLS(y, sm.add_constant(x)).fit()
    design = sm.add_constant(at, has_constant="add")
    if len(x) < MIN_FOR_INTERVAL:
        return line.predict(design), None, None
    frame = line.get_prediction(design).summary_frame(alpha=1 - CONFIDENCE)
    return frame["mean"].to_numpy(), frame["mean_ci_lower"].to_numpy(), frame["mean_ci_upper"].to_numpy()


@lru_cache
def _orders(n: int) -> NDArray[np.intp]:
    """All orders of n models [n!, n], the given one first."""
    return np.array(list(itertools.permutations(range(n))))


def _exact_p(numbers: Array) -> float:
    """Share of all orders whose number is as far from zero as that of the first, which was observed, or farther."""
    distance = np.abs(numbers)
    return float(np.mean(distance >= distance[0] - 1e-9 * distance.max()))


def _interval(ends: Any) -> Interval | None:
    low, high = (float(end) for end in ends)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
