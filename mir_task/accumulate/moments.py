"""Mean and covariance of rows that pass by once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mir_task.accumulate.state import State, scalar

MIN_BLOCK = 256


@dataclass(frozen=True)
class Moments:
    """Mean [d] and covariance [d, d] (divided by n - 1) of n rows, float64."""

    mean: Tensor
    covariance: Tensor
    epsilon: float = torch.finfo(torch.float64).eps
    """Relative precision of the products that went into the covariance."""


class RunningMoments:
    """Count, mean and scatter of rows, accumulated batch by batch in float64.

    Rows are shifted by a fixed centre close to their mean before they are multiplied, without which a mean far from
    zero would cancel all digits of the covariance. Sums over batches are always float64, products where asked for.
    Of the scatter only the lower triangle is computed, and only it means anything.

    Args:
        centre: [d] float64, on the device where the statistics are to live.
    """

    def __init__(self, centre: Tensor) -> None:
        d = centre.shape[0]
        self.count = 0
        # Rounded to float32, so that float32 rows are shifted by exactly this.
        self.centre = centre.float().double()
        self.total = torch.zeros(d, dtype=torch.float64, device=centre.device)
        """Sum of x - centre, [d] float64."""
        # Sum of (x - centre)(x - centre)^T; takes no memory before there are rows.
        self._sums: Tensor | None = None
        self._epsilon = torch.finfo(torch.float64).eps

    @property
    def width(self) -> int:
        """The rows' dimension d."""
        return int(self.centre.shape[0])

    @property
    def _scatter(self) -> Tensor:
        if self._sums is None:
            self._sums = torch.zeros(self.width, self.width, dtype=torch.float64, device=self.centre.device)
        return self._sums

    def reserve(self) -> None:
        """Take the scatter's memory now, not with the first rows."""
        self._sums = self._scatter

    def state(self) -> State:
        """Everything, to be carried elsewhere; shares its memory."""
        state = {"centre": self.centre, "total": self.total, "epsilon": scalar(self._epsilon)}
        scatter = {} if self._sums is None else {"scatter": self._sums}
        return {"count": scalar(self.count), **state, **scatter}

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> RunningMoments:
        """The moments that :meth:`state` was taken from, bit for bit."""
        moments = cls(state["centre"].to(device))
        moments.count, moments._epsilon = int(state["count"]), float(state["epsilon"])
        moments.total = state["total"].to(device)
        moments._sums = state["scatter"].to(device) if "scatter" in state else None
        return moments

    def update(self, rows: Tensor, dtype: torch.dtype = torch.float64) -> None:
        """Add rows [n, d] of any floating dtype, n >= 0, with their products taken in float64 or float32."""
        if not len(rows):
            return
        self._epsilon = max(self._epsilon, torch.finfo(dtype).eps)
        shifted = rows.to(dtype, copy=True)
        shifted -= self.centre.to(dtype)
        self.total += shifted.sum(0, dtype=torch.float64)
        # Blocks of rows up to the diagonal: little more than half the products, and of the sums' memory traffic.
        for block in blocks(self.width):
            self._scatter[block, : block.stop].add_(shifted[:, block].T @ shifted[:, : block.stop])
        self.count += len(rows)

    def merge(self, other: RunningMoments) -> None:
        """Add the rows that another object has seen; exact up to float64 round-off (Chan et al.)."""
        if not other.count:
            return
        shift = other.centre - self.centre
        total, scatter = other.total, other._scatter
        self.total += total + other.count * shift
        self._scatter.add_(scatter)
        if shift.any():
            self._scatter.addr_(total, shift).addr_(shift, total).addr_(shift, shift, alpha=other.count)
        self.count += other.count
        self._epsilon = max(self._epsilon, other._epsilon)

    def copy(self, centre: Tensor | None = None) -> RunningMoments:
        """An independent copy, about another centre [d] if one is given."""
        result = RunningMoments(self.centre if centre is None else centre)
        result.merge(self)
        return result

    def without(self, other: RunningMoments) -> RunningMoments:
        """A copy without the rows of ``other``, which must be among the rows here and have the same centre."""
        result = self.copy()
        result.count -= other.count
        result.total -= other.total
        if other.count:
            result._scatter.sub_(other._scatter)
        return result

    def quadratic(self, matrix: Tensor) -> float:
        """Sum of (x - centre)^T M (x - centre) over the rows, for a symmetric float64 M [d, d]."""
        if not self.count:
            return 0.0
        result = self._scatter.diagonal() @ matrix.diagonal()
        for block in blocks(self.width):
            lower = self._scatter[block, : block.stop].tril(block.start - 1)
            result += 2 * (lower * matrix[block, : block.stop]).sum()
        return float(result)

    def finish(self) -> Moments:
        """The moments so far; needs at least two rows."""
        mean = self.total / self.count
        covariance = self._scatter.addr(mean, mean, alpha=-self.count).div_(self.count - 1)
        for block in blocks(self.width):
            covariance[: block.start, block] = covariance[block, : block.start].T
            diagonal = covariance[block, block]
            diagonal.copy_(diagonal.tril() + diagonal.tril(-1).T)
        return Moments(self.centre + mean, covariance, self._epsilon)


def merged(several: list[RunningMoments]) -> RunningMoments:
    """Moments of all rows together. The objects stay as they are; a single one is returned itself."""
    if len(several) == 1:
        return several[0]
    result = several[0].copy()
    for other in several[1:]:
        result.merge(other)
    return result


def blocks(d: int) -> list[slice]:
    """Ranges of rows in which a triangle of a [d, d] matrix is worked off: an eighth of it, at least 256."""
    size = max(d // 8, MIN_BLOCK)
    return [slice(start, min(start + size, d)) for start in range(0, d, size)]
