"""How much of the rows' variance lies between pairs, in one pass and in memory of one row."""

from __future__ import annotations

import torch
from torch import Tensor

from mir_task.accumulate.outliers import OutlierRule
from mir_task.accumulate.state import State, scalar

ROUND_OFF = 1e-14
"""Variance beside the squared norm that rounding to float32 gives equal rows."""


class BetweenPairs:
    """Sums of squares of rows: of all rows about their mean, and of the pairs' mean rows about it.

    With n_i rows x of mean mu_i in pair i, and mu the mean of all rows, they are ``sum |x - mu|^2`` and
    ``sum_i n_i |mu_i - mu|^2`` (one-way analysis of variance), merged pair by pair as Chan et al. do it.

    Outliers are known only when all rows have been seen, and a single massive one would be most of the total. So each
    pair leaves out those of its own rows that the outlier rule flags among its own norms, before it is merged: nearly
    the rows that the distance leaves out, but not always the same. Ten rows or fewer can hold none: none of so few is
    three of their own standard deviations away.
    """

    def __init__(self) -> None:
        self.pairs = 0
        self.count = 0
        # On the rows' device, where nothing waits for them: mean [d] float64, and both sums, [2] float64.
        self._mean: Tensor | None = None
        self._sums = torch.zeros(2, dtype=torch.float64)

    @property
    def between(self) -> float:
        """Sum over the pairs of n_i |mu_i - mu|^2."""
        return float(self._sums[0])

    @property
    def total(self) -> float:
        """Sum over the rows of |x - mu|^2."""
        return float(self._sums[1])

    @property
    def share(self) -> float | None:
        """Share of the total that lies between pairs, from 0 to 1; None of fewer than two pairs.

        Rows that are all equal but for round-off differ between pairs as little as rows can: 0.
        """
        if self.pairs < 2 or self._mean is None:
            return None
        if self.total <= ROUND_OFF * self.count * float(self._mean.dot(self._mean)):
            return 0.0
        return min(self.between / self.total, 1.0)

    def add(self, rows: Tensor, norms: Tensor) -> None:
        """Add the rows of one pair.

        Args:
            rows: [n, d] of any floating dtype, n >= 1.
            norms: their L2 norms [n], float64 on the CPU.
        """
        count, total, squares = len(rows), rows.sum(0, dtype=torch.float64), norms.square().sum()
        if count > 1 and (mask := OutlierRule.of(norms).mask(norms)).any():
            outliers = mask.nonzero().squeeze(1).to(rows.device)
            count -= len(outliers)
            total -= rows[outliers].sum(0, dtype=torch.float64)
            squares = norms[~mask].square().sum()
        mean = total / count
        within = (squares.to(rows.device) - count * mean.dot(mean)).clamp(min=0)
        self._merge(1, count, mean, torch.stack([torch.zeros_like(within), within]))

    def merge(self, other: BetweenPairs) -> None:
        """Add the pairs that another object has seen."""
        if other._mean is not None:
            self._merge(other.pairs, other.count, other._mean, other._sums)

    def _merge(self, pairs: int, count: int, mean: Tensor, sums: Tensor) -> None:
        """Add further pairs, with their sums about their own mean."""
        if self._mean is None:
            self._mean, self._sums = mean.clone(), sums.clone()
        else:
            step = mean.to(self._mean.device) - self._mean
            together = self.count + count
            self._sums = self._sums + sums.to(step.device) + step.dot(step) * (self.count * count / together)
            self._mean = self._mean + step * (count / together)
        self.pairs += pairs
        self.count += count

    def state(self) -> State:
        """Everything, to be carried elsewhere; shares its memory."""
        mean = {} if self._mean is None else {"mean": self._mean}
        return {"pairs": scalar(self.pairs), "count": scalar(self.count), "sums": self._sums, **mean}

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> BetweenPairs:
        """The sums that :meth:`state` was taken from, bit for bit."""
        result = cls()
        result.pairs, result.count = int(state["pairs"]), int(state["count"])
        result._sums = state["sums"].to(device)
        result._mean = state["mean"].to(device) if "mean" in state else None
        return result
