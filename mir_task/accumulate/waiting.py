"""Rows of one modality at one layer that wait for the outlier rule, in memory that is taken once."""

from __future__ import annotations

import torch
from torch import Tensor

from mir_task.accumulate.state import State


class WaitingRows:
    """Rows [n, d] with their norms and the numbers of their groups, up to a capacity.

    Tensors that come and go with every pair would leave holes in the heap: with them, a measurement of 400 pairs needed
    a third more memory than one of 50.

    Args:
        capacity: rows that there is room for.
        rows: [.., d], an example of the rows: d, dtype and device are theirs.
        norms: an example of the norms.
    """

    def __init__(self, capacity: int, rows: Tensor, norms: Tensor) -> None:
        self._rows = rows.new_empty(capacity, rows.shape[-1])
        self._norms = norms.new_empty(capacity)
        self._groups = torch.empty(capacity, dtype=torch.long)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def width(self) -> int:
        """The rows' dimension d."""
        return int(self._rows.shape[1])

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
        """Everything, to be carried elsewhere; shares its memory."""
        return {"rows": self.rows, "norms": self.norms, "groups": self.groups}

    @classmethod
    def from_state(cls, state: State, capacity: int, device: torch.device) -> WaitingRows:
        """The rows that :meth:`state` was taken from, bit for bit."""
        waiting = cls(capacity, state["rows"].to(device), state["norms"])
        count = len(state["norms"])
        waiting._rows[:count], waiting._norms[:count] = state["rows"].to(device), state["norms"]
        waiting._groups[:count] = state["groups"]
        waiting._count = count
        return waiting

    def append(self, rows: Tensor, norms: Tensor, group: int) -> None:
        """Add rows [n, d] of a group with their norms [n], at most as many as are free."""
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


def _promoted(kept: Tensor, arriving: Tensor) -> Tensor:
    return kept.to(torch.promote_types(kept.dtype, arriving.dtype))
