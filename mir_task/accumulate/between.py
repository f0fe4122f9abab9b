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
        self.total = 0.0
        """Sum over the rows of |x - mu|^2."""
        self.between = 0.0
        """Sum over the pairs of n_i |mu_i - mu|^2."""
        self._mean: Tensor | None = None  # [d] float64

    @property
    def share(self) -> float | None:
        """Share of the total that lies between pairs, from 0 to 1.

        None of fewer than two pairs, or of rows that are all equal but for round-off.
        """
        if self.pairs < 2 or self._mean is None:
            return None
        if self.total <= ROUND_OFF * self.count * float(self._mean.dot(self._mean)):
            return None
        return min(self.between / self.total, 1.0)

    def add(self, rows: Tensor, exact: Tensor, norms: Tensor) -> None:
        """Add the rows of one pair.

        Args:
            rows: [n, d] of any floating dtype, n >= 1.
            exact: their L2 norms [n], float64.
            norms: the same as they are kept, on the CPU; the outlier rule looks at these.
        """
        count, total, squares = len(rows), rows.sum(0, dtype=torch.float64), exact.square().sum()
        if count > 1 and (mask := OutlierRule.of(norms).mask(norms)).any():
            outliers = mask.to(rows.device)
            count -= int(mask.sum())
            total -= rows[outliers].sum(0, dtype=torch.float64)
            squares = exact[~outliers].square().sum()
        mean = total / count
        self._merge(1, count, mean, max(float(squares - count * mean.dot(mean)), 0.0), 0.0)

    def merge(self, other: BetweenPairs) -> None:
        """Add the pairs that another object has seen."""
        if other._mean is not None:
            self._merge(other.pairs, other.count, other._mean, other.total, other.between)

    def _merge(self, pairs: int, count: int, mean: Tensor, total: float, between: float) -> None:
        """Add the sums of squares of further pairs about their own mean."""
        if self._mean is None:
            self._mean, moved = mean.clone(), 0.0
        else:
            step = mean.to(self._mean.device) - self._mean
            together = self.count + count
            moved = float(step.dot(step)) * self.count * count / together
            self._mean = self._mean + step * (count / together)
        self.pairs += pairs
        self.count += count
        self.total += total + moved
        self.between += between + moved

    def state(self) -> State:
        """Everything, to be carried elsewhere; shares its memory."""
        numbers = {"pairs": self.pairs, "count": self.count, "total": self.total, "between": self.between}
        mean = {} if self._mean is None else {"mean": self._mean}
        return {name: scalar(number) for name, number in numbers.items()} | mean

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> BetweenPairs:
        """The sums that :meth:`state` was taken from, bit for bit."""
        result = cls()
        result.pairs, result.count = int(state["pairs"]), int(state["count"])
        result.total, result.between = float(state["total"]), float(state["between"])
        result._mean = state["mean"].to(device) if "mean" in state else None
        return result
