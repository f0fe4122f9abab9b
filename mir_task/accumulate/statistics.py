"""What is kept of one modality's hidden states at one layer: rows in, mean and covariance out, in one pass."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from mir_task.accumulate.growing import GrowingVector
from mir_task.accumulate.moments import RunningMoments
from mir_task.accumulate.outliers import OutlierRule
from mir_task.accumulate.reservoir import RowReservoir, random_keys
from mir_task.accumulate.state import State, part_of, scalar, under
from mir_task.accumulate.summary import ModalitySummary
from mir_task.accumulate.waiting import RowBuffer, Sizes
from mir_task.errors import MIRDataError

FLOAT64_WIDTH = 1024
MIN_PRODUCT_ROWS = 1024  # at a time, or d if that is more: copies of more cost memory, products of fewer time


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
        expected: the groups that are going to come here.
    """

    def __init__(
        self, groups: int = 1, parts: int | None = None, expected: Collection[int] | None = None
    ) -> None:
        self._parts = parts or groups
        self._expected = range(groups) if expected is None else expected
        self._norms = [GrowingVector() for _ in range(groups)]
        self._norm_sums = [0.0] * groups
        self._moments: list[RunningMoments] = []
        self._reservoir = RowReservoir()
        self._rule: OutlierRule | None = None
        self._width: int | None = None
        self._held: RowBuffer | None = None
        self._known_outliers: list[Tensor] | None = None  # from the second pass on
        self._cursors: list[int] = [0] * groups
        self._passes = 1

    @property
    def tokens(self) -> int:
        """Rows seen so far (in the first pass)."""
        return sum(map(len, self._norms))

    @property
    def norms(self) -> list[Tensor]:
        """L2 norms [n] of the rows so far, a tensor a group."""
        return [norms.values for norms in self._norms]

    @property
    def passes(self) -> int:
        """How often the rows had to be seen so far."""
        return self._passes

    @property
    def outlier_masks(self) -> list[Tensor]:
        """A group: which of its rows are outliers, [n] bool; after :meth:`settle`."""
        assert self._known_outliers is not None
        return self._known_outliers

    def decide(self, rule: OutlierRule) -> None:
        """Take the outlier rule from outside: where other processes have seen more rows of the same modality."""
        self._rule = rule

    def update(self, rows: Tensor, group: int = 0, keys: Tensor | None = None) -> None:
        """Add rows [n, d] of any floating dtype, n >= 0.

        Args:
            rows: of one group.
            group: its number.
            keys: [n] float64, uniform in [0, 1): which rows are sampled for medians does not depend on anything else.
                By default drawn from the number of rows before.

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
            known = self._known_outliers[group][start : self._cursors[group]]
            self._check_same(norms, self.norms[group][start : self._cursors[group]])
            self._hold(rows[~known.to(rows.device)], norms[~known], group)
            return
        self._norms[group].append(norms)
        self._norm_sums[group] += float(exact_norms.sum())
        keys = random_keys(len(rows), self.tokens - len(rows)) if keys is None else keys
        self._reservoir.update(rows, keys)
        self._hold(rows, norms, group)

    @property
    def needs_another_pass(self) -> bool:
        """Whether rows that turned out to be outliers are in the moments already."""
        if self._known_outliers is not None or (self._rule is None and self.tokens < 2):
            return False
        held = 0 if self._held is None else int(self._decided.mask(self._held.norms).sum())
        return sum(int(mask.sum()) for mask in self._outlier_masks()) > held

    def restart(self) -> None:
        """Forget the moments and remember which rows are outliers, for a second pass over the same rows."""
        self._known_outliers = self._outlier_masks()
        self._moments = []
        self._held = None
        self._cursors = [0] * len(self._norms)
        self._passes += 1

    def settle(self) -> None:
        """Apply the outlier rule to the rows held back; no rows can be added afterwards.

        Raises:
            MIRDataError: another pass is needed or not complete.
        """
        if self.needs_another_pass or sum(self._cursors) != self.tokens:
            raise MIRDataError("all rows must be seen once more: restart() and update() with the same rows")
        masks = self._outlier_masks() if self._known_outliers is None else self._known_outliers
        if self._held is not None:
            # From the second pass on only inliers are held.
            outliers = self._decided.mask(self._held.norms) & (self._known_outliers is None)
            self._absorb(~outliers)
        self._known_outliers, self._held = masks, None

    def summary(self) -> ModalitySummary:
        """Apply the outlier rule and return the moments; no rows can be added afterwards.

        Raises:
            MIRDataError: fewer than two rows, or another pass is needed or not complete.
        """
        if self.tokens < 2:
            raise MIRDataError(f"a covariance needs at least 2 rows, got {self.tokens}")
        self.settle()
        assert self._known_outliers is not None
        return ModalitySummary(
            self._moments, self._reservoir, self.norms, self._norm_sums, self._known_outliers, self._passes
        )

    def merge(self, other: ModalityStatistics) -> None:
        """Add the rows that another process has seen, whose memory may be taken over.

        Both of one outlier rule (:meth:`decide`) and :meth:`settle` called, with the same groups and parts. In each
        group, its rows come after those that are here already.
        """
        assert self._known_outliers is not None and other._known_outliers is not None, "settle() first"
        for group, norms in enumerate(other.norms):
            self._norms[group].append(norms)
            self._norm_sums[group] += other._norm_sums[group]
            self._cursors[group] += len(norms)
            self._known_outliers[group] = torch.cat(
                [self._known_outliers[group], other._known_outliers[group]]
            )
        for part, moments in enumerate(other._moments):
            if not self._moments:
                self._moments = other._moments
                break
            own = self._moments[part]
            # All about one centre, as everything that follows expects.
            self._moments[part] = own if own.count else moments.copy(own.centre)
            if own.count:
                own.merge(moments)
        self._reservoir.merge(other._reservoir)
        self._width = self._width or other._width
        self._passes = max(self._passes, other._passes)

    def state(self) -> State:
        """All there is to it, to be carried elsewhere; shares its memory."""
        state = {
            "parts": scalar(self._parts),
            "passes": scalar(self._passes),
            "expected": torch.tensor(list(self._expected), dtype=torch.long),
            "cursors": torch.tensor(self._cursors),
            "norm_sums": torch.tensor(self._norm_sums, dtype=torch.float64),
            **under("norms", {str(group): norms for group, norms in enumerate(self.norms)}),
            **under("reservoir", self._reservoir.state()),
        }
        for part, moments in enumerate(self._moments):
            state |= under(f"moments.{part}", moments.state())
        if self._held is not None:
            state |= under("held", self._held.state())
        if self._known_outliers is not None:
            state |= under("outliers", {str(group): mask for group, mask in enumerate(self._known_outliers)})
        if self._rule is not None:
            state["rule"] = torch.tensor(self._rule, dtype=torch.float64)
        return state

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> ModalityStatistics:
        """What :meth:`state` was taken of: given the same rows, it goes on to the same numbers bit for bit."""
        groups = len(state["cursors"])
        statistics = cls(groups, int(state["parts"]), state["expected"].tolist())
        statistics._passes = int(state["passes"])
        statistics._cursors = state["cursors"].tolist()
        statistics._norm_sums = state["norm_sums"].tolist()
        for group, norms in enumerate(statistics._norms):
            norms.append(state[f"norms.{group}"])
        statistics._reservoir = RowReservoir.from_state(part_of(state, "reservoir"), device)
        if "moments.0.count" in state:
            statistics._moments = [
                RunningMoments.from_state(part_of(state, f"moments.{part}"), device)
                for part in range(statistics._parts)
            ]
            statistics._width = statistics._moments[0].width
        if held := part_of(state, "held"):
            statistics._width = held["rows"].shape[1]
            statistics._held = RowBuffer.from_state(held, device)
        if "outliers.0" in state:
            statistics._known_outliers = [state[f"outliers.{group}"] for group in range(groups)]
        if "rule" in state:
            statistics._rule = OutlierRule(*state["rule"].tolist())
        return statistics

    def _hold(self, rows: Tensor, norms: Tensor, group: int) -> None:
        """Put rows into the buffer; whenever it is full, all but those of extreme norms go into the moments."""
        if self._held is None:
            self._held = RowBuffer(rows, norms)
        while len(rows):
            if not self._held.free:
                self._absorb(self._ordinary(self._held))
            free = self._held.free
            self._held.append(rows[:free], norms[:free], group)
            rows, norms = rows[free:], norms[free:]

    def _ordinary(self, held: RowBuffer) -> Tensor:
        """Which of the rows held need not be held any longer, [n] bool."""
        result = torch.ones(len(held), dtype=torch.bool)
        if self._known_outliers is None:
            order, sizes = held.norms.argsort(), Sizes.of(held.rows.shape[1])
            result[order[: sizes.smallest]] = False
            result[order[-sizes.largest :]] = False
        return result

    def _absorb(self, mask: Tensor) -> None:
        """Move the rows of a mask [n] from the buffer into the moments of their parts.

        Products of float64 rows, of narrow ones and of the first few are taken in float64 (of less than twice as many
        rows as dimensions, rounding would fill the null space), all others, which take most of the time, in float32.
        """
        held = self._held
        assert held is not None
        if not self._moments and mask.any():
            # Centred on the first rows to come: ordinary ones, as extreme ones are held back.
            centre = held.rows[mask.to(held.rows.device)].mean(0, dtype=torch.float64)
            self._moments = [RunningMoments(centre) for _ in range(self._parts)]
            # All at once: what runs out of memory does so early, and rows that come and go leave no holes between.
            for part in {group % self._parts for group in self._expected}:
                self._moments[part].reserve()
        parts = held.groups % self._parts
        d = held.rows.shape[1]
        for part in sorted(set(parts[mask].tolist())):
            chosen = (mask & (parts == part)).nonzero().squeeze(1).to(held.rows.device)
            for some in chosen.split(max(d, MIN_PRODUCT_ROWS)):
                few = sum(each.count for each in self._moments) < 2 * d
                exact = few or held.rows.dtype == torch.float64 or d <= FLOAT64_WIDTH
                self._moments[part].update(held.rows[some], torch.float64 if exact else torch.float32)
        held.keep(~mask)

    @staticmethod
    def _check_same(norms: Tensor, expected: Tensor) -> None:
        if len(expected) < len(norms) or not torch.allclose(norms, expected, rtol=1e-3):
            raise MIRDataError(
                "update: in the second pass other rows came than in the first; is the model deterministic?"
            )

    @property
    def _decided(self) -> OutlierRule:
        if self._rule is None and self.tokens < 2:
            raise MIRDataError(f"a covariance needs at least 2 rows, got {self.tokens}")
        return self._rule or OutlierRule.of(torch.cat(self.norms))

    def _outlier_masks(self) -> list[Tensor]:
        rule = self._decided
        return [rule.mask(norms) for norms in self.norms]
