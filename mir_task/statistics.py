"""What is kept of one modality's hidden states at one layer: rows in, mean and covariance out, in one pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mir_task.errors import MIRDataError
from mir_task.moments import Moments, RunningMoments, merged
from mir_task.outliers import OutlierRule
from mir_task.reservoir import RowReservoir

MIN_BUFFER_ROWS = 4096
FLOAT64_WIDTH = 1024


@dataclass(frozen=True)
class ModalitySummary:
    """One modality at one layer, after outlier handling; rows are not scaled by alpha yet."""

    inliers: list[RunningMoments]
    """The rows that are no outliers (the paper removes the others): all together, in two halves (groups of even and
    of odd number) or a group each."""
    sample: RowReservoir
    """Of all rows."""
    norms: list[Tensor]
    """A group: L2 norms [n] of all rows, float64 if the rows are, else float32."""
    norm_sums: list[float]
    """A group: the sum of these, in float64 in any case."""
    outlier_masks: list[Tensor]
    """A group: which of its rows are outliers, [n] bool."""
    passes: int
    """How often the rows had to be seen."""

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
        return merged(self.inliers).finish()

    @cached_property
    def replacements(self) -> list[Tensor]:
        """What the released script puts in the place of an outlier row: the per-dimension median [d] of all rows.

        If it is taken from a sample, two more from halves of the sample, which tell its error.
        """
        return [self.sample.median(), *([] if self.sample.exact else self.sample.halves())]


class ModalityStatistics:
    """Accumulates the rows of one modality at one layer in memory that does not grow with their number.

    The outlier rule needs the median and standard deviation of all norms, which are known only at the end. But
    whatever these are, the rows it flags are those of the largest and those of the smallest norms. So every norm is
    kept (one number a row), the rows of the most extreme norms so far are held back, and all others go into the
    moments. With b = d, but at least 4096, these are b / 2 rows of the largest norms and b / 8 of the smallest (which
    are rarely outliers); up to b more wait until they are worth a matrix product. At the end the rule is applied to
    the norms. If all flagged rows were held back, which is checked and not assumed, the result is exact. If not,
    :attr:`needs_another_pass` is true: call :meth:`restart` and give the same rows again, which are now sorted by the
    rule as they come.

    Args:
        groups: how many groups of rows there are.
        parts: how many scatter matrices [d, d] are kept apart, to which the groups are dealt in turn; by default one
            for each group.
    """

    def __init__(self, groups: int = 1, parts: int | None = None) -> None:
        self._parts = parts or groups
        self._norms: list[list[Tensor]] = [[] for _ in range(groups)]
        self._norm_sums = [0.0] * groups
        self._moments: list[RunningMoments] = []
        self._reservoir = RowReservoir()
        self._random = np.random.default_rng(0)
        self._rule: OutlierRule | None = None
        self._width: int | None = None
        self._held: list[_Rows] = []
        self._known_outliers: list[Tensor] | None = None  # from the second pass on
        self._cursors: list[int] = [0] * groups
        self._passes = 1

    @property
    def tokens(self) -> int:
        """Rows seen so far (in the first pass)."""
        return sum(len(norms) for group in self._norms for norms in group)

    @property
    def norms(self) -> list[Tensor]:
        """L2 norms [n] of the rows so far, a tensor a group."""
        for index, batches in enumerate(self._norms):
            if len(batches) != 1:
                self._norms[index] = [torch.cat(batches) if batches else torch.empty(0)]
        return [group[0] for group in self._norms]

    def decide(self, rule: OutlierRule) -> None:
        """Take the outlier rule from outside: where other processes have seen more rows of the same modality."""
        self._rule = rule

    def update(self, rows: Tensor, group: int = 0, keys: Tensor | None = None) -> None:
        """Add rows [n, d] of any floating dtype, n >= 0.

        Args:
            rows: of one group.
            group: its number.
            keys: [n] float64, uniform in [0, 1): which rows are sampled for medians does not depend on anything else.
                By default drawn in the order of the rows.

        Raises:
            MIRDataError: not two-dimensional, not of a floating dtype, of another width than before, or in a
                second pass not the rows of the first.
        """
        if rows.ndim != 2 or not rows.is_floating_point():
            raise MIRDataError(
                f"update: expected floating rows [n, d], got {list(rows.shape)} of {rows.dtype}"
            )
        if self._width not in (None, rows.shape[1]):
            raise MIRDataError(f"update: rows of width {rows.shape[1]} after width {self._width}")
        if not len(rows):
            return
        rows = rows.detach()
        self._width = rows.shape[1]
        exact_norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
        norms = exact_norms.to(torch.promote_types(rows.dtype, torch.float32)).cpu()
        start = self._cursors[group]
        self._cursors[group] += len(rows)
        if self._known_outliers is not None:
            self._update_known(rows, norms, start, group)
            return
        self._norms[group].append(norms)
        self._norm_sums[group] += float(exact_norms.sum())
        self._reservoir.update(
            rows, torch.from_numpy(self._random.random(len(rows))) if keys is None else keys
        )
        self._held.append(_Rows(rows, norms, torch.full(norms.shape, group)))
        if sum(len(held.norms) for held in self._held) > self._largest + self._smallest + self._buffer_rows:
            self._absorb_middle()

    @property
    def needs_another_pass(self) -> bool:
        """Whether rows that turned out to be outliers are in the moments already."""
        if self._known_outliers is not None or (self._rule is None and self.tokens < 2):
            return False
        flagged = sum(int(mask.sum()) for mask in self._outlier_masks())
        return flagged > sum(int(self._decided.mask(held.norms).sum()) for held in self._held)

    def restart(self) -> None:
        """Forget the moments and remember which rows are outliers, for a second pass over the same rows."""
        self._known_outliers = self._outlier_masks()
        self._moments = []
        self._held = []
        self._cursors = [0] * len(self._norms)
        self._passes += 1

    def summary(self) -> ModalitySummary:
        """Apply the outlier rule and return the moments; no rows can be added afterwards.

        Raises:
            MIRDataError: fewer than two rows, or another pass is needed or not complete.
        """
        if self.needs_another_pass or sum(self._cursors) != self.tokens:
            raise MIRDataError("all rows must be seen once more: restart() and update() with the same rows")
        masks = self._outlier_masks() if self._known_outliers is None else self._known_outliers
        if self._held:
            held = _Rows.cat(self._held)
            self._add(held.where(~self._decided.mask(held.norms)))
        self._known_outliers, self._held = masks, []
        return ModalitySummary(
            self._moments, self._reservoir, self.norms, self._norm_sums, masks, self._passes
        )

    @property
    def _buffer_rows(self) -> int:
        assert self._width is not None
        return max(self._width, MIN_BUFFER_ROWS)

    @property
    def _largest(self) -> int:
        return self._buffer_rows // 2

    @property
    def _smallest(self) -> int:
        return self._buffer_rows // 8

    def _absorb_middle(self) -> None:
        """Put all rows into the moments but those of the most extreme norms."""
        held = _Rows.cat(self._held)
        order = held.norms.argsort()
        extreme = torch.zeros(len(order), dtype=torch.bool)
        extreme[order[: self._smallest]] = True
        extreme[order[-self._largest :]] = True
        self._add(held.where(~extreme))
        self._held = [held.where(extreme)]

    def _add(self, batch: _Rows) -> None:
        """Add rows to the moments of their parts.

        Products of float64 rows, of narrow ones and of the first few are taken in float64 (of less than twice as many
        rows as dimensions, rounding would fill the null space), all others, which take most of the time, in float32.
        """
        if not self._moments and len(batch.norms):
            # Centred on the first rows to come: ordinary ones, as extreme ones are held back.
            centre = batch.rows.double().mean(0)
            self._moments = [RunningMoments(centre) for _ in range(self._parts)]
        parts = batch.groups % self._parts
        for part in sorted(set(parts.tolist())):
            rows = batch.where(parts == part).rows
            few = sum(moments.count for moments in self._moments) < 2 * rows.shape[1]
            exact = few or rows.dtype == torch.float64 or rows.shape[1] <= FLOAT64_WIDTH
            self._moments[part].update(rows, torch.float64 if exact else torch.float32)

    def _update_known(self, rows: Tensor, norms: Tensor, start: int, group: int) -> None:
        assert self._known_outliers is not None
        expected = self.norms[group][start : start + len(rows)]
        if len(expected) < len(rows) or not torch.allclose(norms, expected, rtol=1e-3):
            raise MIRDataError(
                "update: in the second pass other rows came than in the first; is the model deterministic?"
            )
        batch = _Rows(rows, norms, torch.full(norms.shape, group))
        self._add(batch.where(~self._known_outliers[group][start : start + len(rows)]))

    @property
    def _decided(self) -> OutlierRule:
        if self._rule is None and self.tokens < 2:
            raise MIRDataError(f"a covariance needs at least 2 rows, got {self.tokens}")
        return self._rule or OutlierRule.of(torch.cat(self.norms))

    def _outlier_masks(self) -> list[Tensor]:
        rule = self._decided
        return [rule.mask(norms) for norms in self.norms]


class _Rows(NamedTuple):
    """Rows [n, d] with their norms [n] and the numbers of their groups [n], these two on the CPU."""

    rows: Tensor
    norms: Tensor
    groups: Tensor

    @classmethod
    def cat(cls, parts: list[_Rows]) -> _Rows:
        return cls(*map(torch.cat, zip(*parts, strict=True)))

    def where(self, mask: Tensor) -> _Rows:
        """Those of a mask [n] on the CPU; not copied if it is all of them."""
        if mask.all():
            return self
        return _Rows(self.rows[mask.to(self.rows.device)], self.norms[mask], self.groups[mask])
