"""Draws that every scene makes from its random generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

Random: TypeAlias = np.random.Generator


def pick(random: Random, options: Sequence[str]) -> str:
    """Draw one of the options."""
    return options[int(random.integers(len(options)))]


def pick_many(random: Random, options: Sequence[str], count: int) -> list[str]:
    """Draw `count` different options."""
    return [options[index] for index in random.choice(len(options), count, replace=False)]
