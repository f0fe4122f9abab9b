"""Statistics of one modality's hidden states at one layer: rows in, mean and covariance out, in one pass or two.

The outlier rule needs the median and standard deviation of all norms, which are known only at the end. But whatever
these are, the rows it flags are those of the largest and those of the smallest norms. So every norm is kept (one number
a row), the rows of the most extreme norms so far wait, and all others go into the moments. With b = d, but at least
4096, b / 2 rows of the largest norms wait and b / 8 of the smallest (rarely outliers); up to b more wait until they are
worth a matrix product. At the end the rule is applied to the norms. If all flagged rows still wait, which is checked
and not assumed, the result is exact. If not, the same rows must come a second time and are sorted as they come.

:class:`FirstPass` closes into :class:`Settled` statistics, or into a :class:`SecondPass` that closes into settled ones.
Only settled ones are merged and summarised.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.inliers import InlierMoments
from mir_task.accumulate.intake import Intake
from mir_task.accumulate.outliers import OutlierRule
from mir_task.accumulate.record import RowRecord, exact_norms
from mir_task.accumulate.state import State, part_of, scalar, under
from mir_task.accumulate.summary import ModalitySummary
from mir_task.errors import MIRDataError


class FirstPass:
    """Statistics that rows are added to for the first time, in memory that does not grow with their number.

    Args:
        groups: how many groups of pairs the rows belong to.
        scatters: how many scatter matrices [d, d] are kept apart, to which the groups are dealt in turn; by default one
            for each group.
        expected: the groups that are going to come here; by default all.
        buffers: how many rows wait and are sampled.
        pairwise: each update is one pair's rows, of which is kept how much of their variance lies between pairs.
    """

    def __init__(
        self,
        groups: int = 1,
        scatters: int | None = None,
        expected: Collection[int] | None = None,
        buffers: BufferSizes | None = None,
        pairwise: bool = False,
    ) -> None:
        self._buffers = buffers or BufferSizes()
        self._record = RowRecord(groups, self._buffers, pairwise)
        inliers = InlierMoments(scatters or groups, range(groups) if expected is None else expected)
        self._intake = Intake(inliers, self._buffers, extremes_wait=True)

    def clear(self) -> None:
        """Forget all rows and give their memory back."""
        self._record = RowRecord(len(self.norms), self._buffers, self._record.between is not None)
        self._intake = self._intake.emptied(extremes_wait=True)

    @property
    def norms(self) -> list[Tensor]:
        """L2 norms [n] of the rows so far, a tensor for each group."""
        return self._record.norms

    def update(self, rows: Tensor, group: int = 0, keys: Tensor | None = None) -> None:
        """Add rows.

        Args:
            rows: [n, d] of any floating dtype, n >= 0, all of one group.
            group: the group's number.
            keys: [n] float64, uniform in [0, 1): they alone decide which rows are sampled for medians. By default they
                are drawn from the number of rows before.

        Raises:
            MIRDataError: not two-dimensional, not of a floating dtype, or of another width than before.
        """
        self._intake.check(rows)
        if len(rows):
            rows = rows.detach()
            self._intake.add(rows, self._record.add(rows, group, keys), group)

    def close(self, rule: OutlierRule | None = None) -> SecondPass | Settled:
        """Apply the outlier rule; no rows can be added here afterwards.

        Args:
            rule: the rule, where other processes have seen more rows of the same modality; default: by the rows here.

        Raises:
            MIRDataError: fewer than two rows and no rule.
        """
        rule = rule or OutlierRule.of(torch.cat(self.norms))
        masks = [rule.mask(norms) for norms in self.norms]
        waiting = rule.mask(self._intake.waiting_norms)
        if sum(int(mask.sum()) for mask in masks) > int(waiting.sum()):
            # Rows that turned out to be outliers are in the moments already.
            return SecondPass(self._record, masks, self._intake.emptied(extremes_wait=False))
        return Settled(self._record, masks, self._intake.finish(waiting), passes=1)

    def state(self) -> State:
        """Everything, to be carried elsewhere; shares its memory."""
        return under("record", self._record.state()) | under("intake", self._intake.state())

    @classmethod
    def from_state(cls, state: State, buffers: BufferSizes, device: torch.device) -> FirstPass:
        """The statistics that :meth:`state` was taken from: given the same rows, they go on bit for bit."""
        first = cls(buffers=buffers)
        first._record = RowRecord.from_state(part_of(state, "record"), buffers, device)
        first._intake = Intake.from_state(part_of(state, "intake"), buffers, True, device)
        return first


class SecondPass:
    """Statistics that must see the same rows once more, with the outliers known; from :meth:`FirstPass.close`.

    Args:
        record: of the first pass.
        outlier_masks: for each group which of its rows are outliers, [n] bool.
        intake: takes the inliers.
    """

    def __init__(self, record: RowRecord, outlier_masks: list[Tensor], intake: Intake) -> None:
        self._record, self._outlier_masks, self._intake = record, outlier_masks, intake
        self._seen_again = [0] * len(outlier_masks)

    @property
    def norms(self) -> list[Tensor]:
        """L2 norms [n] of all rows, a tensor for each group."""
        return self._record.norms

    def update(self, rows: Tensor, group: int = 0, keys: Tensor | None = None) -> None:
        """Add rows [n, d] of a group, in the order of the first pass; ``keys`` are not needed any more.

        Raises:
            MIRDataError: other rows than in the first pass, or what :meth:`FirstPass.update` refuses.
        """
        self._intake.check(rows)
        if not len(rows):
            return
        rows = rows.detach()
        norms = exact_norms(rows)
        start, end = self._seen_again[group], self._seen_again[group] + len(rows)
        expected = self.norms[group][start:end]
        if len(expected) < len(norms) or not torch.allclose(norms, expected, rtol=1e-3):
            raise MIRDataError(
                "update: in the second pass other rows came than in the first; is the model deterministic?"
            )
        self._seen_again[group] = end
        inliers = ~self._outlier_masks[group][start:end]
        self._intake.add(rows[inliers.to(rows.device)], norms[inliers], group)

    def close(self) -> Settled:
        """Settle the statistics; no rows can be added here afterwards.

        Raises:
            MIRDataError: not all rows have come again.
        """
        if sum(self._seen_again) != self._record.rows:
            raise MIRDataError("all rows must be seen once more: update() with the same rows")
        none = torch.zeros(len(self._intake.waiting_norms), dtype=torch.bool)
        return Settled(self._record, self._outlier_masks, self._intake.finish(none), passes=2)

    def state(self) -> State:
        """Everything, to be carried elsewhere; shares its memory."""
        return {
            "seen_again": torch.tensor(self._seen_again),
            **under("record", self._record.state()),
            **_masks_state(self._outlier_masks),
            **under("intake", self._intake.state()),
        }

    @classmethod
    def from_state(cls, state: State, buffers: BufferSizes, device: torch.device) -> SecondPass:
        """The statistics that :meth:`state` was taken from: given the same rows, they go on bit for bit."""
        second = cls(
            RowRecord.from_state(part_of(state, "record"), buffers, device),
            _masks_from(state),
            Intake.from_state(part_of(state, "intake"), buffers, False, device),
        )
        second._seen_again = state["seen_again"].tolist()
        return second


class Settled:
    """Statistics of rows that have all been seen, with their outliers known.

    Args:
        record: of all rows.
        outlier_masks: for each group which of its rows are outliers, [n] bool.
        inliers: moments of the rows that are none.
        passes: how often the rows had to be seen.
    """

    def __init__(
        self, record: RowRecord, outlier_masks: list[Tensor], inliers: InlierMoments, passes: int
    ) -> None:
        self._record, self._inliers, self._passes = record, inliers, passes
        self.outlier_masks = outlier_masks

    @property
    def norms(self) -> list[Tensor]:
        """L2 norms [n] of all rows, a tensor for each group."""
        return self._record.norms

    def summary(self) -> ModalitySummary:
        """What the distance is computed from.

        Raises:
            MIRDataError: fewer than two rows.
        """
        if self._record.rows < 2:
            raise MIRDataError(f"a covariance needs at least 2 rows, got {self._record.rows}")
        return ModalitySummary(
            whole=self._inliers.whole,
            inliers=self._inliers.by_scatter,
            sample=self._record.sample,
            norms=self.norms,
            norm_sums=self._record.norm_sums,
            outlier_masks=self.outlier_masks,
            passes=self._passes,
            share_between_pairs=None if self._record.between is None else self._record.between.share,
        )

    def merge(self, other: Settled) -> None:
        """Add the rows that another process has seen, whose memory may be taken over.

        Both must be of one outlier rule, with the same groups and scatter matrices. In each group, the other's rows
        come after those that are here already.
        """
        self._record.merge(other._record)
        self.outlier_masks = [
            torch.cat(masks) for masks in zip(self.outlier_masks, other.outlier_masks, strict=True)
        ]
        self._inliers.merge(other._inliers)
        self._passes = max(self._passes, other._passes)

    def state(self) -> State:
        """Everything, to be carried elsewhere; shares its memory."""
        return {
            "passes": scalar(self._passes),
            **under("record", self._record.state()),
            **_masks_state(self.outlier_masks),
            **under("inliers", self._inliers.state()),
        }

    @classmethod
    def from_state(cls, state: State, buffers: BufferSizes, device: torch.device) -> Settled:
        """The statistics that :meth:`state` was taken from, bit for bit."""
        return cls(
            RowRecord.from_state(part_of(state, "record"), buffers, device),
            _masks_from(state),
            InlierMoments.from_state(part_of(state, "inliers"), device),
            int(state["passes"]),
        )


Statistics = FirstPass | SecondPass | Settled


def _masks_state(masks: list[Tensor]) -> State:
    return under("outliers", {str(group): mask for group, mask in enumerate(masks)})


def _masks_from(state: State) -> list[Tensor]:
    masks = part_of(state, "outliers")
    return [masks[str(group)] for group in range(len(masks))]
