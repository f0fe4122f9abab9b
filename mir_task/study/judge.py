"""Judgement of the paper's claims: spread against seed noise, correlations, and a verdict by fixed rules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
Verdict = Literal["holds", "opposite", "not shown", "cannot tell"]
ALPHA = 0.05
ENOUGH_SPREAD = 2.0
"""Least ratio of the spread of the variants' means to their noise; below it nothing can be told."""
MIN_FOR_CORRELATION = 4
"""Fewest variants for a correlation test: with fewer, chance gives the most extreme order too often."""
LOWER_IS_BETTER = {
    "mir": True,
    "mir_reference": True,
    "mir_builtin": True,
    "norm_matched": True,
    "mean_term": True,
    "covariance_term": True,
    "unnormalised": True,
    "log_norm_ratio": True,
    "loss": True,
    "caption_ppl": True,
    "vision_spread": False,
    "in_context": False,
}
"""Which way each predictor points, as its authors mean it; the norm ratio points as MIR's first term does."""


@dataclass(frozen=True)
class Spread:
    """Spread of a quantity over an experiment's variants, beside its noise."""

    between: float
    """Standard deviation of the variants' means."""
    noise: float
    """Standard deviation between seeds of one variant, pooled; NaN with one seed only."""
    seeds: float
    """Mean number of seeds of a variant."""

    @property
    def ratio(self) -> float:
        """``between`` in multiples of the noise of a variant's mean; NaN where the noise is not known."""
        if not self.noise > 0:
            return math.nan
        return self.between / (self.noise / math.sqrt(self.seeds))


@dataclass(frozen=True)
class Prediction:
    """Agreement of a quantity known before SFT with the average after it, over an experiment's variants."""

    predictor: str
    variants: int
    spearman: float
    """Positive where the predictor points the right way; NaN if it or the score does not vary."""
    p: float
    """Two-sided p-value, from all orders or 10,000 random ones."""
    verdict: Verdict


def variant_means(runs: pd.DataFrame) -> pd.DataFrame:
    """Numbers of each variant (``note``) averaged over its seeds, in the order in which variants appear."""
    return runs.groupby("note", sort=False).mean(numeric_only=True)


def spread(runs: pd.DataFrame, column: str, noise: float | None = None) -> Spread:
    """Spread between variants beside that between seeds.

    Args:
        runs: runs of one experiment, with columns ``note``, ``seed`` and the quantity.
        column: the quantity.
        noise: standard deviation of one run, where the experiment has too few seeds; None: pooled from its own.
    """
    variants = runs.groupby("note", sort=False)[column]
    counts, variances = variants.count(), variants.var(ddof=1)
    freedom = float((counts - 1).clip(lower=0).sum())
    if noise is None:
        total = float(((counts - 1) * variances.fillna(0)).sum())
        noise = math.sqrt(total / freedom) if freedom else math.nan
    between = float(variants.mean().std(ddof=1)) if len(counts) > 1 else math.nan
    return Spread(between, noise, float(counts.mean()))


def predict(runs: pd.DataFrame, predictor: str, score_spread: Spread, score: str = "average") -> Prediction:
    """Judge whether a predictor puts the variants of an experiment in the order of their scores.

    Rules: "cannot tell" where scores spread less than :data:`ENOUGH_SPREAD` times their noise; else, of four variants
    or more, "holds" or "opposite" where Spearman's rho differs from zero at :data:`ALPHA`; of two or three, where the
    order is perfect or perfectly wrong and the extremes differ by twice the noise of their difference in both
    quantities; "not shown" otherwise.
    """
    means = variant_means(runs)
    sign = -1.0 if LOWER_IS_BETTER[predictor] else 1.0
    x, y = sign * means[predictor].to_numpy(float), means[score].to_numpy(float)
    rho, p = rank_correlation(x, y)
    if not score_spread.ratio >= ENOUGH_SPREAD or math.isnan(rho):
        verdict: Verdict = "cannot tell"
    elif len(means) >= MIN_FOR_CORRELATION:
        verdict = "not shown" if p >= ALPHA else "holds" if rho > 0 else "opposite"
    else:
        sure = abs(rho) > 1 - 1e-9 and _extremes_differ(x, spread(runs, predictor))
        sure &= _extremes_differ(y, score_spread)
        verdict = "not shown" if not sure else "holds" if rho > 0 else "opposite"
    return Prediction(predictor, len(means), rho, p, verdict)


class Correlation(NamedTuple):
    """Spearman's rho and its two-sided permutation p-value."""

    rho: float
    p: float


def rank_correlation(x: Array, y: Array) -> Correlation:
    """Rank correlation of two quantities; NaN where one does not vary."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(math.nan, math.nan)

    def statistic(shuffled: Array) -> float:
        return float(stats.spearmanr(shuffled, y).statistic)

    found = stats.permutation_test(
        (x,), statistic, permutation_type="pairings", n_resamples=10_000, rng=np.random.default_rng(0)
    )
    return Correlation(float(found.statistic), float(found.pvalue))


def within_experiments(models: pd.DataFrame, column: str) -> pd.Series:
    """A quantity of each run less the mean of its experiment."""
    return models[column] - models.groupby("group")[column].transform("mean")


def partial_rank(models: pd.DataFrame, predictor: str, given: str, score: str = "average") -> float:
    """Spearman's partial correlation of a predictor with the score, given another predictor."""
    ranks = models[[predictor, given, score]].rank()
    r = np.corrcoef(ranks.to_numpy(float).T)
    return float((r[0, 2] - r[0, 1] * r[1, 2]) / math.sqrt((1 - r[0, 1] ** 2) * (1 - r[1, 2] ** 2)))


def _extremes_differ(means: Array, over: Spread) -> bool:
    """Whether the extreme means differ by twice the noise of their difference."""
    if math.isnan(over.noise):
        return False
    return bool(np.ptp(means) >= 2 * over.noise * math.sqrt(2 / over.seeds))
