"""Moments of the rows that are no outliers, of all of them and of groups."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from mir_task.accumulate.moments import RunningMoments, add_rows
from mir_task.accumulate.state import State, part_of, scalar, under
from mir_task.accumulate.waiting import WaitingRows

FLOAT64_WIDTH = 1024
"""Hidden size up to which products and the sums of groups are float64."""
MIN_PRODUCT_ROWS = 1024  # at a time, or d if that is more: copies of more cost memory, products of fewer time


def group_dtype(d: int) -> torch.dtype:
    """Dtype of the groups' scatter matrices: they serve standard errors and noise floors, which need three digits."""
    return torch.float64 if d <= FLOAT64_WIDTH else torch.float32


class InlierMoments:
    """Running moments of inlier rows: of all, in float64, and of each scatter matrix that is kept apart.

    Args:
        scatters: how many scatter matrices [d, d] are kept apart, to which the groups of pairs are dealt in turn; with
            one, all rows are its.
        expected: the groups that are going to come here.
    """

    def __init__(self, scatters: int, expected: Collection[int]) -> None:
        self._scatters, self._expected = scatters, expected
        self._whole: RunningMoments | None = None
        self._apart: list[RunningMoments] = []

    @property
    def whole(self) -> RunningMoments | None:
        """Moments of all rows; None before the first."""
        return self._whole

    @property
    def by_scatter(self) -> list[RunningMoments]:
        """Moments for each scatter matrix; none before the first rows."""
        return self._apart or ([] if self._whole is None else [self._whole])

    def fresh(self) -> InlierMoments:
        """The same without any rows."""
        return InlierMoments(self._scatters, self._expected)

    def absorb(self, waiting: WaitingRows, mask: Tensor) -> None:
        """Move the rows of a mask [n] from those that wait into the moments.

        Products of float64 rows, of narrow ones and of the first few are taken in float64 (of less than twice as many
        rows as dimensions, rounding would fill the null space), all others, which take most of the time, in float32.
        """
        if self._whole is None and mask.any():
            # Centred on the first rows to come: ordinary ones, as extreme ones still wait.
            self._begin(waiting.rows[mask.to(waiting.rows.device)].mean(0, dtype=torch.float64))
        scatters = waiting.groups % self._scatters
        d = waiting.width
        for scatter in sorted(set(scatters[mask].tolist())):
            assert self._whole is not None, "begun"
            chosen = (mask & (scatters == scatter)).nonzero().squeeze(1).to(waiting.rows.device)
            targets = [self._whole, *self._apart[scatter : scatter + 1]]
            for some in chosen.split(max(d, MIN_PRODUCT_ROWS)):
                few = self._whole.count < 2 * d
                exact = few or waiting.rows.dtype == torch.float64 or d <= FLOAT64_WIDTH
                add_rows(waiting.rows[some], torch.float64 if exact else torch.float32, targets)
        waiting.keep(~mask)

    def _begin(self, centre: Tensor) -> None:
        self._whole = RunningMoments(centre)
        self._whole.reserve()
        if self._scatters > 1:
            dtype = group_dtype(len(centre))
            self._apart = [RunningMoments(centre, dtype) for _ in range(self._scatters)]
        # All at once: what runs out of memory does so early, and rows that come and go leave no holes between.
        for scatter in {group % self._scatters for group in self._expected if self._apart}:
            self._apart[scatter].reserve()

    def merge(self, other: InlierMoments) -> None:
        """Add the rows of another object, whose memory may be taken over."""
        if other._whole is None:
            return
        if self._whole is None:
            self._whole, self._apart = other._whole, other._apart
            return
        self._whole.merge(other._whole)
        for scatter, moments in enumerate(other._apart):
            own = self._apart[scatter]
            # All about one centre, as everything that follows expects.
            self._apart[scatter] = own if own.count else moments.copy(own.centre)
            if own.count:
                own.merge(moments)

    def state(self) -> State:
        """Everything, to be carried elsewhere; shares its memory."""
        state = {
            "scatters": scalar(self._scatters),
            "expected": torch.tensor(list(self._expected), dtype=torch.long),
        }
        if self._whole is not None:
            state |= under("whole", self._whole.state())
        for scatter, moments in enumerate(self._apart):
            state |= under(str(scatter), moments.state())
        return state

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> InlierMoments:
        """The moments that :meth:`state` was taken from, bit for bit."""
        inliers = cls(int(state["scatters"]), state["expected"].tolist())
        if "whole.count" in state:
            inliers._whole = RunningMoments.from_state(part_of(state, "whole"), device)
        if "0.count" in state:
            inliers._apart = [
                RunningMoments.from_state(part_of(state, str(scatter)), device)
                for scatter in range(inliers._scatters)
            ]
        return inliers
