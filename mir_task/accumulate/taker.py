"""What rows can be given to."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class RowTaker(Protocol):
    """Takes the rows of one modality at one layer, a pair at a time: statistics, or an influence."""

    def update(self, rows: Tensor, group: int = 0, keys: Tensor | None = None) -> None:
        """Add rows.

        Args:
            rows: [n, d] of any floating dtype, n >= 0, all of one group.
            group: the group's number.
            keys: [n] float64, uniform in [0, 1): they decide which rows are sampled for medians.
        """
