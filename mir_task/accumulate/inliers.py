"""Moments of the rows that are no outliers, in one or several scatter matrices."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from mir_task.accumulate.moments import RunningMoments
from mir_task.accumulate.state import State, part_of, scalar, under
from mir_task.accumulate.waiting import WaitingRows

FLOAT64_WIDTH = 1024
MIN_PRODUCT_ROWS = 1024  # at a time, or d if that is more: copies of more cost memory, products of fewer time


class InlierMoments:
    """Running moments of inlier rows; the groups of pairs are dealt to the scatter matrices in turn.

    Args:
        scatters: how many scatter matrices [d, d] are kept apart.
        expected: the groups that are going to come here.
    """

    def __init__(self, scatters: int, expected: Collection[int]) -> None:
        self._scatters, self._expected = scatters, expected
        self._moments: list[RunningMoments] = []

    @property
    def by_scatter(self) -> list[RunningMoments]:
        """Moments for each scatter matrix; none before the first rows."""
        return self._moments

    def fresh(self) -> InlierMoments:
        """The same without any rows."""
        return InlierMoments(self._scatters, self._expected)

    def absorb(self, waiting: WaitingRows, mask: Tensor) -> None:
        """Move the rows of a mask [n] from those that wait into the moments.

        Products of float64 rows, of narrow ones and of the first few are taken in float64 (of less than twice as many
        rows as dimensions, rounding would fill the null space), all others, which take most of the time, in float32.
        """
        if not self._moments and mask.any():
            # Centred on the first rows to come: ordinary ones, as extreme ones still wait.
            self._begin(waiting.rows[mask.to(waiting.rows.device)].mean(0, dtype=torch.float64))
        scatters = waiting.groups % self._scatters
        d = waiting.width
        for scatter in sorted(set(scatters[mask].tolist())):
            chosen = (mask & (scatters == scatter)).nonzero().squeeze(1).to(waiting.rows.device)
            for some in chosen.split(max(d, MIN_PRODUCT_ROWS)):
                few = sum(each.count for each in self._moments) < 2 * d
                exact = few or waiting.rows.dtype == torch.float64 or d <= FLOAT64_WIDTH
                self._moments[scatter].update(waiting.rows[some], torch.float64 if exact else torch.float32)
        waiting.keep(~mask)

    def _begin(self, centre: Tensor) -> None:
        self._moments = [RunningMoments(centre) for _ in range(self._scatters)]
        # All at once: what runs out of memory does so early, and rows that come and go leave no holes between.
        for scatter in {group % self._scatters for group in self._expected}:
            self._moments[scatter].reserve()

    def merge(self, other: InlierMoments) -> None:
        """Add the rows of another object, whose memory may be taken over."""
        if not self._moments:
            self._moments = other._moments
            return
        for scatter, moments in enumerate(other._moments):
            own = self._moments[scatter]
            # All about one centre, as everything that follows expects.
            self._moments[scatter] = own if own.count else moments.copy(own.centre)
            if own.count:
                own.merge(moments)

    def state(self) -> State:
        """Everything, to be carried elsewhere; shares its memory."""
        state = {
            "scatters": scalar(self._scatters),
            "expected": torch.tensor(list(self._expected), dtype=torch.long),
        }
        for scatter, moments in enumerate(self._moments):
            state |= under(str(scatter), moments.state())
        return state

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> InlierMoments:
        """The moments that :meth:`state` was taken from, bit for bit."""
        inliers = cls(int(state["scatters"]), state["expected"].tolist())
        if "0.count" in state:
            inliers._moments = [
                RunningMoments.from_state(part_of(state, str(scatter)), device)
                for scatter in range(inliers._scatters)
            ]
        return inliers
