"""Mean and covariance of rows that pass by once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


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

    Args:
        centre: [d] float64, on the device where the statistics are to live.
    """

    def __init__(self, centre: Tensor) -> None:
        d = centre.shape[0]
        self.count = 0
        # Rounded to float32, so that float32 rows are shifted by exactly this.
        self._centre = centre.float().double()
        self._total = torch.zeros(d, dtype=torch.float64, device=centre.device)
        # Sum of (x - centre)(x - centre)^T.
        self._scatter = torch.zeros(d, d, dtype=torch.float64, device=centre.device)
        self._epsilon = torch.finfo(torch.float64).eps

    @property
    def width(self) -> int:
        """The rows' dimension d."""
        return int(self._centre.shape[0])

    def update(self, rows: Tensor, dtype: torch.dtype = torch.float64) -> None:
        """Add rows [n, d] of any floating dtype, n >= 0, with their products taken in float64 or float32."""
        if not len(rows):
            return
        self._epsilon = max(self._epsilon, torch.finfo(dtype).eps)
        shifted = rows.to(dtype) - self._centre.to(dtype)
        self._total += shifted.sum(0, dtype=torch.float64)
        self._scatter += shifted.T @ shifted
        self.count += len(rows)

    def add_copies(self, row: Tensor, copies: int) -> None:
        """Add the same row [d] many times, at the cost of one rank-1 update."""
        shifted = row.double() - self._centre
        self._total += copies * shifted
        self._scatter.addr_(shifted, shifted, alpha=copies)
        self.count += copies

    def merge(self, other: RunningMoments) -> None:
        """Add the rows that another object has seen; exact up to float64 round-off."""
        shift = other._centre - self._centre
        total, scatter = other._total, other._scatter
        self._total += total + other.count * shift
        self._scatter += scatter
        if shift.any():
            self._scatter.addr_(total, shift).addr_(shift, total).addr_(shift, shift, alpha=other.count)
        self.count += other.count
        self._epsilon = max(self._epsilon, other._epsilon)

    def copy(self) -> RunningMoments:
        """An independent copy."""
        result = RunningMoments(self._centre)
        result.merge(self)
        return result

    def without(self, other: RunningMoments) -> RunningMoments:
        """What would have been accumulated without the rows of ``other``, which has the same centre."""
        result = self.copy()
        result.count -= other.count
        result._total -= other._total
        result._scatter -= other._scatter
        return result

    def finish(self) -> Moments:
        """The moments so far; needs at least two rows."""
        mean = self._total / self.count
        covariance = self._scatter.addr(mean, mean, alpha=-self.count).div_(self.count - 1)
        covariance = covariance.tril() + covariance.tril(-1).T  # symmetric to the last bit
        return Moments(self._centre + mean, covariance, self._epsilon)


def merged(parts: list[RunningMoments]) -> RunningMoments:
    """All rows of several objects together; the objects are left as they are."""
    result = parts[0].copy()
    for part in parts[1:]:
        result.merge(part)
    return result
