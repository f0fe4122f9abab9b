"""How many fine-tuned recipes it takes to see that a predictor tells, and what those at hand could have shown."""

from __future__ import annotations

from functools import cache

import numpy as np

from mir_task.report.concordance import Chance, by_chance, solved, tilted

ALPHA = 0.05
"""Level of the one-sided test of order within groups."""
SHARE = 0.75
"""Share of pairs in order that is taken for worth knowing: half-way between a coin and certainty."""
POWER = 0.8
MOST_RECIPES = 100


def least_p(chance: Chance) -> float:
    """The p-value of a perfect order: no order of these recipes has a smaller one."""
    return float(chance.probabilities[np.flatnonzero(chance.probabilities)[-1]])


def power(chance: Chance, share: float = SHARE, alpha: float = ALPHA) -> float:
    """Probability that p falls below alpha where so large a share of pairs is expected in order.

    Orders are then those of Mallows' model: each is likelier by the same factor for every pair more in order.
    """
    tails = chance.probabilities[::-1].cumsum()[::-1]
    rejected = tails < alpha
    if not (rejected & (chance.probabilities > 0)).any():
        return 0.0
    most = float(chance.values[np.flatnonzero(chance.probabilities)[-1]])
    wanted = (2 * share - 1) * most
    tilt = solved(chance, lambda probabilities: float(probabilities @ chance.values) - wanted)
    return float(tilted(chance, tilt)[rejected].sum())


@cache
def recipes_needed(share: float = SHARE, wanted: float = POWER, alpha: float = ALPHA) -> int:
    """Fewest recipes of one group whose test has that power; at most 100."""
    for n in range(2, MOST_RECIPES):
        ranks = np.arange(n, dtype=np.float64)
        if power(by_chance(ranks, ranks), share, alpha) >= wanted:
            return n
    return MOST_RECIPES


@cache
def least_recipes(alpha: float = ALPHA) -> int:
    """Fewest recipes of one group of which a perfect order is not chance."""
    n = 2
    ranks = np.arange(n, dtype=np.float64)
    while least_p(by_chance(ranks, ranks)) >= alpha:
        n += 1
        ranks = np.arange(n, dtype=np.float64)
    return n
