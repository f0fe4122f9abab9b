"""Mean and covariance of rows that pass by once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mir_task.accumulate.state import State, scalar
from mir_task.accumulate.triangle import Triangle, blocks


@dataclass(frozen=True)
class Moments:
    """Mean [d] and covariance [d, d] (divided by n - 1) of n rows, float64."""

    mean: Tensor
    covariance: Tensor
    epsilon: float = torch.finfo(torch.float64).eps
    """Relative precision of the products that went into the covariance."""


class RunningMoments:
    """Count, mean and scatter of rows, accumulated batch by batch.

    Rows are shifted by a fixed centre close to their mean before they are multiplied, without which a mean far from
    zero would cancel all digits of the covariance. Sums over batches are float64 unless asked for in float32, which
    takes half the memory.

    Args:
        centre: [d] float64, on the device where the statistics are to live.
        dtype: of the scatter's sums.
    """

    def __init__(self, centre: Tensor, dtype: torch.dtype = torch.float64) -> None:
        d = centre.shape[0]
        self.count = 0
        # Rounded to float32, so that float32 rows are shifted by exactly this.
        self.centre = centre.float().double()
        self.total = torch.zeros(d, dtype=torch.float64, device=centre.device)
        """Sum of x - centre, [d] float64."""
        # Sum of (x - centre)(x - centre)^T; takes no memory before there are rows.
        self._sums: Triangle | None = None
        self._dtype = dtype
        self._epsilon = torch.finfo(dtype).eps

    @property
    def width(self) -> int:
        """The rows' dimension d."""
        return int(self.centre.shape[0])

    @property
    def _scatter(self) -> Triangle:
        if self._sums is None:
            self._sums = Triangle.zeros(self.width, self._dtype, self.centre.device)
        return self._sums

    def reserve(self) -> None:
        """Take the scatter's memory now, not with the first rows."""
        self._sums = self._scatter

    def state(self) -> State:
        """Everything, to be carried elsewhere; shares its memory."""
        state = {"centre": self.centre, "total": self.total, "epsilon": scalar(self._epsilon)}
        scatter = {} if self._sums is None else {"scatter": self._sums.values}
        # An empty tensor of the dtype that the scatter has, or would have.
        return {"count": scalar(self.count), "dtype": torch.empty(0, dtype=self._dtype), **state, **scatter}

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> RunningMoments:
        """The moments that :meth:`state` was taken from, bit for bit."""
        moments = cls(state["centre"].to(device), state["dtype"].dtype)
        moments.count, moments._epsilon = int(state["count"]), float(state["epsilon"])
        moments.total = state["total"].to(device)
        if "scatter" in state:
            moments._sums = Triangle(moments.width, state["scatter"].to(device))
        return moments

    def update(self, rows: Tensor, dtype: torch.dtype = torch.float64) -> None:
        """Add rows [n, d] of any floating dtype, n >= 0, with their products taken in float64 or float32."""
        add_rows(rows, dtype, [self])

    def merge(self, other: RunningMoments) -> None:
        """Add the rows that another object has seen; exact up to round-off of the sums (Chan et al.)."""
        if not other.count:
            return
        shift, total = other.centre - self.centre, other.total
        self.total += total + other.count * shift
        self._scatter.values.add_(other._scatter.values)
        if shift.any():
            # With m = total + count shift / 2: total shift^T + shift total^T + count shift shift^T.
            middle = total + shift * (other.count / 2)
            for rows, block in self._scatter.blocks():
                block.add_(
                    torch.outer(middle[rows], shift[: rows.stop])
                    + torch.outer(shift[rows], middle[: rows.stop])
                )
        self.count += other.count
        self._epsilon = max(self._epsilon, other._epsilon)

    def copy(self, centre: Tensor | None = None, dtype: torch.dtype | None = None) -> RunningMoments:
        """An independent copy, about another centre [d] or with sums of another dtype if one is given."""
        result = RunningMoments(self.centre if centre is None else centre, dtype or self._dtype)
        result.merge(self)
        return result

    def without(self, other: RunningMoments) -> RunningMoments:
        """A copy without the rows of ``other``, which must be among the rows here and have the same centre."""
        result = self.copy()
        result.count -= other.count
        result.total -= other.total
        if other.count:
            result._scatter.values.sub_(other._scatter.values)
        result._epsilon = max(self._epsilon, other._epsilon)
        return result

    def quadratic(self, matrix: Tensor) -> float:
        """Sum of (x - centre)^T M (x - centre) over the rows, for a symmetric M [d, d]."""
        return self._scatter.inner(matrix) if self.count else 0.0

    def finish(self) -> Moments:
        """The moments so far; needs at least two rows."""
        mean = self.total / self.count
        covariance = self._scatter.dense().addr_(mean, mean, alpha=-self.count).div_(self.count - 1)
        return Moments(self.centre + mean, covariance, self._epsilon)


def add_rows(rows: Tensor, dtype: torch.dtype, targets: Sequence[RunningMoments]) -> None:
    """Add rows to several moments about one centre, with products that are taken once.

    Args:
        rows: [n, d] of any floating dtype, n >= 0.
        dtype: of the products, float64 or float32.
        targets: what they are added to.
    """
    if not len(rows):
        return
    first = targets[0]
    shifted = rows.to(dtype, copy=True)
    shifted -= first.centre.to(dtype)
    total = shifted.sum(0, dtype=torch.float64)
    parts = [part for target in targets for part in target._scatter.blocks()]
    for block in blocks(first.width):
        products = shifted[:, block].T @ shifted[:, : block.stop]
        for part, sums in parts:
            if block.start <= part.start < block.stop:
                sums.add_(products[part.start - block.start : part.stop - block.start, : part.stop])
    for target in targets:
        target.total += total
        target.count += len(rows)
        target._epsilon = max(target._epsilon, torch.finfo(dtype).eps)


def merged(several: list[RunningMoments]) -> RunningMoments:
    """Moments of all rows together, summed in float64. The objects stay as they are; one alone is returned itself."""
    if len(several) == 1:
        return several[0]
    result = several[0].copy(dtype=torch.float64)
    for other in several[1:]:
        result.merge(other)
    return result
