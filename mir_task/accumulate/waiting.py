"""Rows of one modality at one layer that wait for the outlier rule, in memory that is taken once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mir_task.accumulate.state import State

MIN_WAITING = 4096


class Sizes(NamedTuple):
    """How many rows are held back: those of the largest and of the smallest norms, and others that wait."""

    largest: int
    smallest: int
    waiting: int

    @classmethod
    def of(cls, d: int) -> Sizes:
        """For rows of d dimensions."""
        waiting = max(d, MIN_WAITING)
        return cls(waiting // 2, waiting // 8, waiting)

    @property
    def capacity(self) -> int:
        """Rows in all."""
        return sum(self)


class RowBuffer:
    """Up to :class:`Sizes` rows [n, d] with their norms and the numbers of their groups.

    Tensors that come and go with every pair would leave holes in the heap: with them, a measurement of 400 pairs needed
    a third more memory than one of 50.

    Args:
        rows: [.., d], an example of the rows: d, dtype and device are theirs.
        norms: an example of the norms.
    """

    def __init__(self, rows: Tensor, norms: Tensor) -> None:
        capacity = Sizes.of(rows.shape[-1]).capacity
        self._rows = rows.new_empty(capacity, rows.shape[-1])
        self._norms = norms.new_empty(capacity)
        self._groups = torch.empty(capacity, dtype=torch.long)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def free(self) -> int:
        """How many rows still fit."""
        return len(self._rows) - self._count

    @property
    def rows(self) -> Tensor:
        """[n, d], a view."""
        return self._rows[: self._count]

    @property
    def norms(self) -> Tensor:
        """[n] on the CPU, a view."""
        return self._norms[: self._count]

    @property
    def groups(self) -> Tensor:
        """[n] on the CPU, a view."""
        return self._groups[: self._count]

    def state(self) -> State:
        """All there is to it, to be carried elsewhere; shares its memory."""
        return {"rows": self.rows, "norms": self.norms, "groups": self.groups}

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> RowBuffer:
        """What :meth:`state` was taken of, bit for bit."""
        buffer = cls(state["rows"].to(device), state["norms"])
        count = len(state["norms"])
        buffer._rows[:count], buffer._norms[:count] = state["rows"].to(device), state["norms"]
        buffer._groups[:count] = state["groups"]
        buffer._count = count
        return buffer

    def append(self, rows: Tensor, norms: Tensor, group: int) -> None:
        """Add at most as many rows [n, d] of a group as are free, norms [n]."""
        self._rows = _promoted(self._rows, rows)
        self._norms = _promoted(self._norms, norms)
        end = self._count + len(rows)
        self._rows[self._count : end] = rows
        self._norms[self._count : end] = norms
        self._groups[self._count : end] = group
        self._count = end

    def keep(self, mask: Tensor) -> None:
        """Forget all rows but those of a mask [n] on the CPU; their order stays."""
        chosen = mask.nonzero().squeeze(1)
        self._rows[: len(chosen)] = self._rows[chosen.to(self._rows.device)]
        self._norms[: len(chosen)] = self._norms[chosen]
        self._groups[: len(chosen)] = self._groups[chosen]
        self._count = len(chosen)


def _promoted(held: Tensor, arriving: Tensor) -> Tensor:
    return held.to(torch.promote_types(held.dtype, arriving.dtype))
