"""One modality at one layer when all rows have been seen: what the distance is computed from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from mir_task.accumulate.moments import Moments, RunningMoments
from mir_task.accumulate.reservoir import RowReservoir
from mir_task.errors import MIRDataError


@dataclass(frozen=True)
class ModalitySummary:
    """One modality at one layer after outlier handling; rows are not scaled by alpha yet."""

    whole: RunningMoments | None
    """Moments of all rows that are no outliers (the paper removes the others), summed in float64; None without any."""
    inliers: list[RunningMoments]
    """The same for each scatter matrix: all rows together, two halves (groups of even and of odd number), or one for
    each group; wide ones are summed in float32."""
    sample: RowReservoir
    """Random sample of all rows."""
    norms: list[Tensor]
    """L2 norms [n] of all rows, in float64, a tensor for each group."""
    norm_sums: list[float]
    """Sum of the norms of each group, taken in float64."""
    outlier_masks: list[Tensor]
    """For each group which of its rows are outliers, [n] bool."""
    passes: int
    """How often the rows had to be seen."""
    share_between_pairs: float | None = None
    """Share of the rows' variance that lies between pairs (:mod:`mir_task.accumulate.between`); None: not known."""

    @property
    def tokens(self) -> int:
        """Rows before outlier handling."""
        return sum(map(len, self.norms))

    @property
    def outliers(self) -> int:
        """Rows that the outlier rule flags."""
        return sum(int(mask.sum()) for mask in self.outlier_masks)

    @property
    def mean_norm(self) -> float:
        """Mean L2 norm over all rows, outliers included."""
        return math.fsum(self.norm_sums) / self.tokens

    @property
    def mean_norm_inliers(self) -> float:
        """Mean L2 norm over the rows that are no outliers."""
        return float(torch.cat(self.norms)[~torch.cat(self.outlier_masks)].double().mean())

    @property
    def median_norm(self) -> float:
        """Median L2 norm over all rows, of two middle values the lower, as the outlier rule takes it."""
        return float(torch.cat(self.norms).median())

    @cached_property
    def moments(self) -> Moments:
        """Moments with the outlier rows removed.

        Raises:
            MIRDataError: fewer than two rows are left.
        """
        left = self.tokens - self.outliers
        if left < 2:
            removed = f" after removing {self.outliers} outliers" if self.outliers else ""
            raise MIRDataError(f"a covariance needs at least 2 rows, got {left}{removed}")
        assert self.whole is not None, "there are rows"
        return self.whole.finish()

    @cached_property
    def replacements(self) -> list[Tensor]:
        """Row [d] that the released script puts in the place of an outlier row: the per-dimension median of all rows.

        Where the median is taken from a sample, two more follow, from halves of the sample: they tell its error.
        """
        return [self.sample.median(), *([] if self.sample.exact else self.sample.halves())]
