"""Recipes drawn at random, for simulations whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pandas import DataFrame

from mir_task.report.checkpoint import Checkpoint

Simulation = tuple[dict[str, Any], Callable[[np.random.Generator], bool | None]]
"""What it is about, and a function that draws one world: whether the claim erred or held, None where none was made."""

PAPER = (4, 6, 5, 4, 4)
"""Models of the paper's tables 1 to 5."""
STUDY = (8, 4, 7, 4, 4, 2, 5, 4, 6)
"""Recipes of the groups of ``results/study``."""


def checkpoint(name: str, group: str, mir: float, average: float | None = None, **fields: Any) -> Checkpoint:
    """Make a checkpoint of these numbers."""
    given: dict[str, Any] = {"label": name, "standard_error": None, "spread": None, "pairs": None, "runs": ()}
    return Checkpoint(name=name, group=group, mir=mir, average=average, **(given | fields))


def groups_of(
    random: np.random.Generator, sizes: Sequence[int], correlations: Sequence[float], shared: bool = False
) -> dict[str, list[Checkpoint]]:
    """Draw groups at levels of their own; ``shared``: the first recipe is in every group."""
    groups: dict[str, list[Checkpoint]] = {}
    first = None
    for number, (size, correlation) in enumerate(zip(sizes, correlations, strict=True)):
        level = np.zeros(2) if shared else 3 * random.normal(size=2)
        x = random.normal(size=size)
        y = correlation * x + math.sqrt(1 - correlation**2) * random.normal(size=size)
        if shared:
            first = first or (x[0], y[0])
            x[0], y[0] = first
        groups[f"group {number}"] = [
            checkpoint(
                "base" if shared and index == 0 else f"{number}/{index}",
                f"group {number}",
                float(mir + level[0]),
                float(score + level[1]),
            )
            for index, (mir, score) in enumerate(zip(x, y, strict=True))
        ]
    return groups


def lines(
    random: np.random.Generator, sizes: Sequence[int], slope: float, noise: Sequence[float]
) -> DataFrame:
    """Draw groups of one slope at levels of their own, each with its own standard deviation of the noise."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    x = random.normal(size=len(group)) + 3 * random.normal(size=len(sizes))[group]
    y = slope * x + 3 * random.normal(size=len(sizes))[group]
    y += np.asarray(noise)[group] * random.normal(size=len(group))
    return DataFrame({"mir": x, "score": y, "group": group, "name": np.arange(len(group)).astype(str)})
