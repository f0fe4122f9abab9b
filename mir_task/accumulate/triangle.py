"""Symmetric matrices of which only the lower triangle is kept: half the memory, and half the products."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

MIN_PRODUCT = 256
MIN_BLOCK = 128


class Triangle:
    """Symmetric matrix [d, d] as blocks of its rows up to the diagonal, in one piece of memory.

    A block is as wide as its last row; at d = 4096 all take 3% more than the bare triangle. Blocks on the diagonal are
    whole.

    Args:
        width: d.
        values: all blocks one after the other, [:meth:`size`]; shared, not copied.
    """

    def __init__(self, width: int, values: Tensor) -> None:
        self.width, self.values = width, values

    @classmethod
    def zeros(cls, width: int, dtype: torch.dtype, device: torch.device) -> Triangle:
        """A matrix of zeros."""
        return cls(width, torch.zeros(cls.size(width), dtype=dtype, device=device))

    @staticmethod
    def size(width: int) -> int:
        """How many numbers are kept."""
        return sum((rows.stop - rows.start) * rows.stop for rows in triangle_blocks(width))

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Ranges of rows with their part of the matrix [rows, up to the last of them], views."""
        start = 0
        for rows in triangle_blocks(self.width):
            end = start + (rows.stop - rows.start) * rows.stop
            yield rows, self.values[start:end].view(-1, rows.stop)
            start = end

    def dense(self) -> Tensor:
        """The whole matrix [d, d], float64 and exactly symmetric."""
        matrix = self.values.new_empty(self.width, self.width, dtype=torch.float64)
        for rows, block in self.blocks():
            matrix[rows, : rows.stop] = block
            matrix[: rows.start, rows] = matrix[rows, : rows.start].T
            diagonal = matrix[rows, rows]
            diagonal.copy_(diagonal.tril() + diagonal.tril(-1).T)
        return matrix

    def inner(self, matrix: Tensor) -> float:
        """Sum of the elementwise products with a symmetric matrix [d, d]; products in its dtype, sums in float64."""
        total = 0.0
        for rows, block in self.blocks():
            products = block * matrix[rows, : rows.stop]
            # What is left of the diagonal stands for its mirror image too.
            total += 2 * float(products[:, : rows.start].sum(dtype=torch.float64))
            total += float(products[:, rows.start :].sum(dtype=torch.float64))
        return total


def blocks(d: int) -> list[slice]:
    """Ranges of rows in which products of a [d, d] matrix are taken: an eighth of it, at least 256."""
    return _ranges(0, d, max(d // 8, MIN_PRODUCT))


def triangle_blocks(width: int) -> list[slice]:
    """Ranges of rows of a triangle's blocks, which are quarters of those of products, of at least 128 rows."""
    size = max(width // 32, MIN_BLOCK)
    return [part for rows in blocks(width) for part in _ranges(rows.start, rows.stop, size)]


def _ranges(start: int, stop: int, size: int) -> list[slice]:
    return [slice(each, min(each + size, stop)) for each in range(start, stop, size)]
