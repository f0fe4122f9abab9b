"""Is one unit of MIR worth the same in every group? A test that does not take the noise of all groups for alike."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from mir_task.report.schema import Interaction

Array = NDArray[np.float64]

DRAWS = 4_999
"""Simulated worlds of one slope behind a p-value, with a fixed seed."""
ROUNDS = 3
"""Rounds of weighting groups by their noise; more change nothing that matters."""


def interaction(data: DataFrame) -> Interaction | None:
    """Test whether slopes differ between groups, each group at its own level.

    F compares a slope for each group with one slope, as usual. Its p-value is not Fisher's, which errs too often where
    noise differs between groups, but by parametric bootstrap: slopes and residuals are drawn as they would be with one
    slope and each group's own noise. That noise is estimated around the common slope, which weights groups by it.

    Args:
        data: columns mir, score and group.

    Returns:
        None if MIR varies in fewer than two groups, or a line for each leaves no degree of freedom.
    """
    varying = data[data.groupby("group")["mir"].transform("nunique") > 1]
    names, group = np.unique(varying["group"], return_inverse=True)
    if len(names) < 2 or len(varying) - 2 * len(names) < 1:
        return None
    count = np.bincount(group).astype(np.float64)

    def centred(column: str) -> Array:
        values = varying[column].to_numpy(dtype=np.float64)
        return np.asarray(values - (np.bincount(group, values) / count)[group])

    x, y = centred("mir"), centred("score")
    xx, xy, yy = (np.bincount(group, product).astype(np.float64) for product in (x * x, x * y, y * y))
    freedom = count - 2
    slopes = xy / xx
    residual = np.where(freedom > 0, np.maximum(yy - slopes * xy, 0.0), 0.0)
    if residual.sum() <= 1e-20 * yy.sum():
        return None
    between, within = len(names) - 1, int(freedom.sum())
    noise = _noise_around_one_slope(xx, xy, yy, count)
    normal, chi_squared = _drawn(tuple(freedom))
    observed = float(_ratio(slopes, residual, xx))
    beyond = int((_ratio(normal * np.sqrt(noise / xx), chi_squared * noise, xx) >= observed).sum())
    return Interaction(
        f=observed * within / between, degrees_of_freedom=(between, within), p=(1 + beyond) / (1 + DRAWS)
    )


@lru_cache(maxsize=4)
def _drawn(freedom: tuple[float, ...]) -> tuple[Array, Array]:
    """Normal and chi-squared numbers [draws, groups] of these degrees of freedom, 0 of none."""
    random = np.random.default_rng(0)
    size = (DRAWS, len(freedom))
    chi_squared = random.chisquare(np.maximum(freedom, 1), size=size)
    return random.normal(size=size), np.where(np.array(freedom) > 0, chi_squared, 0.0)


def _ratio(slopes: Array, residual: Array, xx: Array) -> Array:
    """Sum of squares between slopes [..., groups] over that of the residuals."""
    common = (slopes * xx).sum(axis=-1, keepdims=True) / xx.sum()
    return np.asarray((xx * (slopes - common) ** 2).sum(axis=-1) / residual.sum(axis=-1))


def _noise_around_one_slope(xx: Array, xy: Array, yy: Array, count: Array) -> Array:
    """Variance of the noise of each group around a common slope.

    Groups of two models do not say how noisy they are, and have no part in the common slope.
    """
    weights = (count > 2).astype(np.float64)
    noise = np.ones_like(xx)
    for _ in range(ROUNDS):
        slope = (weights * xy / noise).sum() / (weights * xx / noise).sum()
        noise = np.maximum(yy - 2 * slope * xy + slope**2 * xx, 0.0) / (count - 1)
        noise = np.maximum(noise, 1e-6 * noise.max())
    return noise
