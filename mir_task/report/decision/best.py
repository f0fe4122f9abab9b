"""Probability that each of several is the best, and the loss that choosing it costs, from draws of what they may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SURE = 0.95
"""Probability that a recommended set holds the best."""


@dataclass(frozen=True)
class Chances:
    """What choosing each of n candidates is worth."""

    p_best: Array
    """[n]; sums to one. Candidates equal in a draw share it."""
    expected_loss: Array
    """[n], mean of best minus chosen, in the unit of the draws."""


def chances(draws: Array) -> Chances:
    """Probabilities and losses from joint draws [draws, n], higher is better."""
    highest = draws.max(axis=1, keepdims=True)
    best = draws == highest
    return Chances((best / best.sum(axis=1, keepdims=True)).mean(axis=0), (highest - draws).mean(axis=0))


def smallest_set(found: Chances, sure: float = SURE) -> list[int]:
    """The candidate of least expected loss, and the fewest beside it with which the best is among them that surely.

    Returns:
        Positions: that of least expected loss first, the others by falling probability.
    """
    # The fewest are those likeliest to be the best. Equal candidates keep the order in which they are given.
    first = int(np.argmin(found.expected_loss))
    likeliest = sorted(
        (n for n in range(len(found.p_best)) if n != first), key=lambda n: (-found.p_best[n], n)
    )
    chosen = [first]
    for candidate in likeliest:
        if found.p_best[chosen].sum() >= sure:
            break
        chosen.append(candidate)
    return chosen
