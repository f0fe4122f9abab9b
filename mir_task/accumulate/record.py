"""What every row leaves behind: its norm, and a chance to be in a sample."""

from __future__ import annotations

import torch
from torch import Tensor

from mir_task.accumulate.between import BetweenPairs
from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.growing import GrowingVector
from mir_task.accumulate.reservoir import RowReservoir, random_keys
from mir_task.accumulate.state import State, part_of, under


class RowRecord:
    """Norms of all rows, by group, and a random sample of the rows themselves.

    Args:
        groups: how many groups of rows there are.
        buffers: the sample's size.
        pairwise: the rows of each call of :meth:`add` are those of one pair.

    Attributes:
        norm_sums: by group, sum of the L2 norms in float64.
        sample: of all rows.
        between: how much of the variance lies between pairs; None where rows do not come pair by pair.
    """

    def __init__(self, groups: int, buffers: BufferSizes, pairwise: bool = False) -> None:
        self._norms = [GrowingVector() for _ in range(groups)]
        self.norm_sums = [0.0] * groups
        self.sample = RowReservoir(buffers)
        self.between = BetweenPairs() if pairwise else None

    @property
    def rows(self) -> int:
        """Rows so far."""
        return sum(map(len, self._norms))

    @property
    def norms(self) -> list[Tensor]:
        """L2 norms [n] of the rows so far in float64 on the CPU, a tensor for each group."""
        return [norms.values for norms in self._norms]

    def add(self, rows: Tensor, group: int, keys: Tensor | None = None) -> Tensor:
        """Add rows [n, d] of a group and return their norms [n].

        Args:
            rows: of any floating dtype.
            group: the group's number.
            keys: [n] float64, uniform in [0, 1): they decide which rows are sampled. By default they are drawn from
                the number of rows before.
        """
        norms = exact_norms(rows)
        keys = random_keys(len(rows), self.rows) if keys is None else keys
        self._norms[group].append(norms)
        self.norm_sums[group] += float(norms.sum())
        self.sample.update(rows, keys)
        if self.between is not None:
            self.between.add(rows, norms)
        return norms

    def merge(self, other: RowRecord) -> None:
        """Add the rows of another record; in each group they come after those that are here."""
        for group, norms in enumerate(other.norms):
            self._norms[group].append(norms)
            self.norm_sums[group] += other.norm_sums[group]
        self.sample.merge(other.sample)
        if self.between is not None and other.between is not None:
            self.between.merge(other.between)

    def state(self) -> State:
        """Everything, to be carried elsewhere; shares its memory."""
        return {
            "norm_sums": torch.tensor(self.norm_sums, dtype=torch.float64),
            **under("norms", {str(group): norms for group, norms in enumerate(self.norms)}),
            **under("sample", self.sample.state()),
            **({} if self.between is None else under("between", self.between.state())),
        }

    @classmethod
    def from_state(cls, state: State, buffers: BufferSizes, device: torch.device) -> RowRecord:
        """The record that :meth:`state` was taken from, bit for bit."""
        record = cls(len(state["norm_sums"]), buffers)
        record.norm_sums = state["norm_sums"].tolist()
        for group, norms in enumerate(record._norms):
            norms.append(state[f"norms.{group}"])
        record.sample = RowReservoir.from_state(part_of(state, "sample"), buffers, device)
        if between := part_of(state, "between"):
            record.between = BetweenPairs.from_state(between, device)
        return record


def exact_norms(rows: Tensor) -> Tensor:
    """L2 norms [n] of rows [n, d] of any floating dtype, taken in float64 where the rows are; on the CPU.

    They are kept so, 8 bytes a row: in float32, a row at the outlier rule's limit could fall on its other side.
    """
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64).cpu()
    return norms
