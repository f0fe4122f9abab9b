"""Synthetic rows shaped like a language model's hidden states."""

from __future__ import annotations

import torch
from torch import Tensor

MASSIVE = (30.0, 20.0, 10.0)
"""Means of the massive dimensions."""


def hidden_states(
    rows: int, d: int, seed: int, dtype: torch.dtype = torch.float64, offset: float = 1.0
) -> Tensor:
    """Make rows [rows, d] of power-law spectrum, with a mean apart from zero and a few massive dimensions.

    As in language models, these are massive by their mean, thirty times the largest deviation, and vary three times as
    much as the largest of the others.

    Args:
        rows: how many.
        d: hidden size.
        seed: draws everything, the directions of the spectrum too.
        dtype: of the rows.
        offset: size of the mean, relative to the rms deviation.
    """
    generator = torch.Generator().manual_seed(seed)
    scale = torch.arange(1, d + 1, dtype=dtype) ** -0.5
    scale = scale[torch.randperm(d, generator=generator)]
    scale[: len(MASSIVE)] = 3.0
    data = torch.randn(rows, d, generator=generator, dtype=dtype) * scale
    data[:, : len(MASSIVE)] += torch.tensor(MASSIVE, dtype=dtype)
    # A random reflection mixes the dimensions at the cost of one product with a vector.
    mirror = torch.nn.functional.normalize(torch.randn(d, generator=generator, dtype=dtype), dim=0)
    data -= 2 * (data @ mirror)[:, None] * mirror
    mean = torch.randn(d, generator=generator, dtype=dtype)
    data += offset * scale.norm() / mean.norm() * mean
    return data
