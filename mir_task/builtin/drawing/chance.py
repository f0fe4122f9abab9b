"""Random choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import numpy as np

Random: TypeAlias = np.random.Generator
Option = TypeVar("Option")


def pick(random: Random, options: Sequence[Option]) -> Option:
    """Pick one of the options."""
    return options[int(random.integers(len(options)))]


def pick_many(random: Random, options: Sequence[Option], count: int) -> list[Option]:
    """Pick `count` different options."""
    return [options[index] for index in random.choice(len(options), count, replace=False)]
