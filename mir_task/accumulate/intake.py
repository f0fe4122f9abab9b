"""Takes rows in: they wait, and whenever many wait, the ordinary ones go into the moments."""

from __future__ import annotations

import torch
from torch import Tensor

from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.inliers import InlierMoments
from mir_task.accumulate.state import State, part_of, under
from mir_task.accumulate.waiting import WaitingRows
from mir_task.errors import MIRDataError


class Intake:
    """Rows that wait, and the moments that they go into.

    Args:
        inliers: the moments.
        buffers: how many rows wait.
        extremes_wait: keep the rows of the most extreme norms waiting to the end.
    """

    def __init__(self, inliers: InlierMoments, buffers: BufferSizes, extremes_wait: bool) -> None:
        self._inliers, self._buffers, self._extremes_wait = inliers, buffers, extremes_wait
        self._waiting: WaitingRows | None = None  # no memory is taken before there are rows

    def check(self, rows: Tensor) -> None:
        """Refuse what are no rows [n, d], or not like those before.

        Raises:
            MIRDataError: not two-dimensional, not of a floating dtype, or of another width than before.
        """
        if rows.ndim != 2 or not rows.is_floating_point():
            raise MIRDataError(
                f"update: expected floating rows [n, d], got {list(rows.shape)} of {rows.dtype}"
            )
        if self._waiting is not None and self._waiting.width != rows.shape[1]:
            raise MIRDataError(f"update: rows of width {rows.shape[1]} after width {self._waiting.width}")

    def emptied(self, extremes_wait: bool) -> Intake:
        """An intake without rows, for the same groups."""
        return Intake(self._inliers.fresh(), self._buffers, extremes_wait)

    def add(self, rows: Tensor, norms: Tensor, group: int) -> None:
        """Add rows [n, d] of a group with their norms [n]."""
        if self._waiting is None:
            capacity = self._buffers.waiting(rows.shape[1]).capacity
            self._waiting = WaitingRows(capacity, rows, norms)
        while len(rows):
            if not self._waiting.free:
                self._inliers.absorb(self._waiting, self._ordinary(self._waiting))
            free = self._waiting.free
            self._waiting.append(rows[:free], norms[:free], group)
            rows, norms = rows[free:], norms[free:]

    def _ordinary(self, waiting: WaitingRows) -> Tensor:
        """Rows that need not wait any longer, [n] bool."""
        result = torch.ones(len(waiting), dtype=torch.bool)
        if self._extremes_wait:
            order, sizes = waiting.norms.argsort(), self._buffers.waiting(waiting.width)
            result[order[: sizes.smallest]] = False
            result[order[-sizes.largest :]] = False
        return result

    @property
    def waiting_norms(self) -> Tensor:
        """Norms [n] of the rows that wait."""
        return torch.empty(0) if self._waiting is None else self._waiting.norms

    def finish(self, outliers: Tensor) -> InlierMoments:
        """Moments of all rows but those of a mask [n] among the ones that wait; takes no more rows."""
        if self._waiting is not None:
            self._inliers.absorb(self._waiting, ~outliers)
            self._waiting = None
        return self._inliers

    def state(self) -> State:
        """Everything, to be carried elsewhere; shares its memory."""
        waiting = {} if self._waiting is None else under("waiting", self._waiting.state())
        return under("inliers", self._inliers.state()) | waiting

    @classmethod
    def from_state(
        cls, state: State, buffers: BufferSizes, extremes_wait: bool, device: torch.device
    ) -> Intake:
        """The intake that :meth:`state` was taken from, bit for bit."""
        intake = cls(InlierMoments.from_state(part_of(state, "inliers"), device), buffers, extremes_wait)
        if waiting := part_of(state, "waiting"):
            capacity = buffers.waiting(waiting["rows"].shape[1]).capacity
            intake._waiting = WaitingRows.from_state(waiting, capacity, device)
        return intake
