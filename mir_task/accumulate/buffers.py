"""How many rows statistics hold in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MIN_WAITING = 4096
MIN_SAMPLE_ROWS = 1024


class WaitingSizes(NamedTuple):
    """Rows that wait for the outlier rule: those of the largest and of the smallest norms, and all others."""

    largest: int
    smallest: int
    others: int

    @property
    def capacity(self) -> int:
        """Rows in all."""
        return self.largest + self.smallest + self.others


@dataclass(frozen=True)
class BufferSizes:
    """Sizes of what one modality at one layer keeps beside its moments. The defaults are those of every measurement."""

    waiting_rows: int | None = None
    """Rows that wait for a matrix product; default: the rows' dimension, but at least 4096."""
    sample_bytes: int = 4 * 2**20
    """Bytes of the random sample that medians are taken from; it never has fewer than 1024 rows."""

    def waiting(self, d: int) -> WaitingSizes:
        """Sizes for rows of d dimensions."""
        others = self.waiting_rows or max(d, MIN_WAITING)
        return WaitingSizes(largest=others // 2, smallest=others // 8, others=others)

    def sample_rows(self, d: int, itemsize: int) -> int:
        """Rows that the sample has room for, of d numbers of ``itemsize`` bytes."""
        return max(MIN_SAMPLE_ROWS, self.sample_bytes // (d * itemsize))
