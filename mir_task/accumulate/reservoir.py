"""A fixed-size random sample of rows that pass by once, for the per-dimension median of all of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.state import State, scalar


class RowReservoir:
    """Keeps all rows while they fit its memory (4 MiB, at least 1024 rows), then a uniform random sample of them.

    Each row has a key, a random number, and those with the smallest keys stay: which they are depends neither on the
    rows' order nor on how they were batched or dealt to several reservoirs that are merged later.

    Args:
        buffers: the sample's size.
    """

    def __init__(self, buffers: BufferSizes | None = None) -> None:
        self._buffers = buffers or BufferSizes()
        self._rows: Tensor | None = None  # [capacity, d], filled from the top
        self._keys = torch.empty(0, dtype=torch.float64)
        self._seen = 0

    @property
    def exact(self) -> bool:
        """Whether every row is still there."""
        return self._seen == len(self._keys)

    def update(self, rows: Tensor, keys: Tensor) -> None:
        """Add rows [n, d] with their keys [n], float64 on the CPU, uniform in [0, 1)."""
        self._seen += len(rows)
        if self._rows is None:
            self._rows = self._room_for(rows, rows.device)
        filled = len(self._keys)
        fitting = min(len(rows), len(self._rows) - filled)
        self._rows[filled : filled + fitting] = rows[:fitting]
        self._keys = torch.cat([self._keys, keys[:fitting]])
        if fitting < len(rows):
            self._replace(self._rows, rows[fitting:], keys[fitting:])

    def merge(self, other: RowReservoir) -> None:
        """Add the rows that another reservoir has seen."""
        if other._rows is None:
            return
        unseen = other._seen - len(other._keys)
        self.update(other._sample(), other._keys)
        self._seen += unseen

    def state(self) -> State:
        """Everything, to be carried elsewhere; shares its memory."""
        rows = {} if self._rows is None else {"rows": self._sample()}
        return {"keys": self._keys, "seen": scalar(self._seen), **rows}

    @classmethod
    def from_state(cls, state: State, buffers: BufferSizes, device: torch.device) -> RowReservoir:
        """The reservoir that :meth:`state` was taken from, bit for bit."""
        reservoir = cls(buffers)
        reservoir._keys, reservoir._seen = state["keys"].clone(), int(state["seen"])
        if "rows" in state:
            reservoir._rows = reservoir._room_for(state["rows"], device)
            reservoir._rows[: len(reservoir._keys)] = state["rows"].to(device)
        return reservoir

    def _replace(self, held: Tensor, rows: Tensor, keys: Tensor) -> None:
        capacity = len(held)
        kept = torch.cat([self._keys, keys]).topk(capacity, largest=False, sorted=False).indices
        arriving = kept[kept >= capacity] - capacity
        leaving = torch.ones(capacity, dtype=torch.bool)
        leaving[kept[kept < capacity]] = False
        places = leaving.nonzero().squeeze(1)
        held[places.to(held.device)] = rows[arriving.to(rows.device)]
        self._keys[places] = keys[arriving]

    def median(self) -> Tensor:
        """Per-dimension median [d] of the sample, of two middle values the lower, float64."""
        return self._sample().median(0).values.double()

    def halves(self) -> tuple[Tensor, Tensor]:
        """The medians [d] of two random halves of the sample, whose difference tells the sampling error."""
        rows = self._sample()
        first = (self._keys <= self._keys.median()).to(rows.device)
        return rows[first].median(0).values.double(), rows[~first].median(0).values.double()

    def _sample(self) -> Tensor:
        assert self._rows is not None, "no rows yet"
        return self._rows[: len(self._keys)]

    def _room_for(self, rows: Tensor, device: torch.device) -> Tensor:
        """[capacity, d] for rows like these."""
        capacity = self._buffers.sample_rows(rows.shape[1], rows.element_size())
        return rows.new_empty(capacity, rows.shape[1], device=device)


def random_keys(count: int, *seed: int) -> Tensor:
    """Keys [count] of rows, which depend on the seed alone."""
    return torch.from_numpy(np.random.default_rng(seed).random(count))
