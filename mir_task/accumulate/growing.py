"""A vector that grows at its end."""

from __future__ import annotations

import torch
from torch import Tensor


class GrowingVector:
    """Numbers in one piece of memory that doubles when it is full.

    (A small tensor for every pair would leave holes in the heap between the large ones that come and go.)
    """

    def __init__(self) -> None:
        self._values = torch.empty(0)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def values(self) -> Tensor:
        """[n] on the CPU, a view."""
        return self._values[: self._count]

    def append(self, values: Tensor) -> None:
        """Add numbers [n] of any floating dtype; the widest dtype so far is kept."""
        end = self._count + len(values)
        dtype = torch.promote_types(self._values.dtype, values.dtype)
        if end > len(self._values) or dtype != self._values.dtype:
            grown = torch.empty(max(end, 2 * self._count), dtype=dtype)
            grown[: self._count] = self.values
            self._values = grown
        self._values[self._count : end] = values
        self._count = end
