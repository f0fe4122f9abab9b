"""Correlation, slope and leave-one-out error of one score on one predictor, by scipy and statsmodels.

Below ``MIN_FOR_INTERVAL`` models no interval is claimed, below three no correlation: two points always lie on a line.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats

from mir_task.report.schema import Interval, Kendall, LeaveOneOut, Pearson, Slope, Spearman

Array = NDArray[np.float64]

MIN_FOR_CORRELATION = 3
MIN_FOR_INTERVAL = 4
MIN_FOR_RANKS = 8
"""With fewer, the interval of rho does not cover what it claims (83% at 4)."""
MAX_FOR_EXACT = 7
"""7! = 5040 orders can all be tried; of more models asymptotic p-values are near enough."""
CONFIDENCE = 0.95


def pearson(x: Array, y: Array) -> Pearson:
    """Pearson's r; x and y [n] must both vary, n at least 3."""
    exact = len(x) <= MAX_FOR_EXACT
    method = stats.PermutationMethod(n_resamples=math.factorial(len(x))) if exact else None
    found = stats.pearsonr(x, y, method=method)
    return Pearson(
        r=float(found.statistic),
        interval=pearson_interval(x, y),
        p=_finite(found.pvalue),
        p_method="exact permutation" if exact else "t distribution",
    )


def pearson_interval(x: Array, y: Array) -> Interval | None:
    """95% interval of Pearson's r by Fisher's z; None below 4 models or where all lie on a line."""
    found = stats.pearsonr(x, y)
    if len(x) < MIN_FOR_INTERVAL or abs(found.statistic) >= 1 - 1e-12:
        return None
    return _interval(found.confidence_interval(CONFIDENCE))


def spearman(x: Array, y: Array) -> Spearman:
    """Spearman's rho: Pearson's r of the ranks."""
    ranks = stats.rankdata(x), stats.rankdata(y)
    exact = len(x) <= MAX_FOR_EXACT
    p = pearson(*ranks).p if exact else stats.spearmanr(x, y).pvalue
    rho = float(stats.spearmanr(x, y).statistic)
    return Spearman(
        rho=rho,
        interval=rank_interval(rho, len(x)),
        p=_finite(p),
        p_method="exact permutation" if exact else "t distribution",
    )


def rank_interval(rho: float, n: int) -> Interval | None:
    """95% interval of Spearman's rho by Bonett and Wright (Psychometrika 2000, 65, 23-28); None below 8 models."""
    if n < MIN_FOR_RANKS or abs(rho) > 1 - 1e-12:
        return None
    width = stats.norm.ppf((1 + CONFIDENCE) / 2) * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return _interval(np.tanh(np.arctanh(rho) + width * np.array([-1, 1])))


def kendall(x: Array, y: Array) -> Kendall:
    """Kendall's tau-b."""
    found = stats.kendalltau(x, y)
    exact = len(x) <= MAX_FOR_EXACT
    p = found.pvalue
    if exact and (len(set(x)) < len(x) or len(set(y)) < len(y)):  # scipy's own exact method knows no ties
        p = stats.permutation_test(
            (y,),
            lambda shuffled: stats.kendalltau(x, shuffled).statistic,
            permutation_type="pairings",
            n_resamples=math.factorial(len(x)),
        ).pvalue
    return Kendall(
        tau=float(found.statistic),
        interval=None,
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


def _interval(ends: Any) -> Interval | None:
    low, high = (float(end) for end in ends)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
