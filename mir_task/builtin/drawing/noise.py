"""Smooth random fields."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from mir_task.builtin.drawing.chance import Random
from mir_task.builtin.drawing.geometry import Size

Field: TypeAlias = npt.NDArray[np.float32]


def fractal_noise(
    random: Random, size: Size, waves: tuple[int, int] = (3, 3), octaves: int = 6, falloff: float = 0.6
) -> Field:
    """Return smooth noise in 0..1, whose coarsest octave has `waves` (across, down) cells."""
    total: Field = np.zeros((size[1], size[0]), dtype=np.float32)
    for octave in range(octaves):
        columns, rows = (min(side, wave * 2**octave + 2) for side, wave in zip(size, waves, strict=True))
        grid = Image.fromarray(random.random((rows, columns), dtype=np.float32))
        total += falloff**octave * np.asarray(grid.resize(size, Image.Resampling.BICUBIC))
    total -= total.min()
    return total / max(float(total.max()), 1e-6)
