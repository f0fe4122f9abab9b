"""A layer's distance without each group of pairs in turn, to first order: one decomposition serves all groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.moments import RunningMoments
from mir_task.accumulate.state import State
from mir_task.accumulate.summary import ModalitySummary
from mir_task.errors import MIRDataError
from mir_task.metric.frechet import FrechetTerms
from mir_task.metric.maps import Maps


class FirstOrder(NamedTuple):
    """What the linearised distance needs of one modality's rows."""

    mean: Tensor
    """[d] float64."""
    inner: float
    """Inner product of gradient and covariance."""


class Influence:
    """What each group of one modality's rows adds to the mean and, through the gradient, to the covariance term.

    Takes the groups' scatter matrices where they were kept apart. Otherwise it takes the rows themselves once more,
    which needs memory for the gradient only.

    Args:
        gradient: derivative of the covariance term by the modality's covariance, [d, d] symmetric, float64 or float32.
        centre: [d] float64, from which rows are shifted.
        outlier_masks: for each group which of its rows are outliers, [n] bool.
    """

    def __init__(self, gradient: Tensor, centre: Tensor, outlier_masks: Sequence[Tensor]) -> None:
        groups = len(outlier_masks)
        self._gradient = gradient
        self._centre = centre
        self._inliers = [~mask for mask in outlier_masks]
        self._cursors = [0] * groups
        self._counts = [0] * groups
        # Rows x are taken as distances from the centre; these are the sums of x and of x^T G x.
        self._totals = torch.zeros(groups, len(gradient), dtype=torch.float64, device=gradient.device)
        self._squares = [0.0] * groups

    def add(self, moments: RunningMoments, group: int) -> None:
        """Add a group of rows at once, about the centre of the summary."""
        self._counts[group] += moments.count
        self._totals[group] += moments.total
        self._squares[group] += moments.quadratic(self._gradient)
        self._cursors[group] = len(self._inliers[group])

    def update(self, rows: Tensor, group: int = 0, keys: Tensor | None = None) -> None:
        """Add rows [n, d] of a group, in the order in which the statistics have seen them; keys are not needed.

        Raises:
            MIRDataError: more rows than the statistics have seen.
        """
        start = self._cursors[group]
        self._cursors[group] += len(rows)
        inliers = self._inliers[group][start : start + len(rows)]
        if len(inliers) < len(rows):
            raise MIRDataError(
                "update: in the last pass more rows came than in the first; is the model deterministic?"
            )
        dtype = torch.promote_types(rows.dtype, torch.float32)
        shifted = rows[inliers.to(rows.device)].to(dtype) - self._centre.to(dtype)
        self._counts[group] += len(shifted)
        self._totals[group] += shifted.sum(0, dtype=torch.float64)
        products = shifted @ self._gradient.to(dtype)
        self._squares[group] += float((products * shifted).sum(dtype=torch.float64))

    @property
    def frame(self) -> State:
        """Gradient and centre, which another process needs for an influence of its own rows."""
        return {"gradient": self._gradient, "centre": self._centre}

    @property
    def sums(self) -> State:
        """Sums over the rows added."""
        self._check_complete()
        return {
            "counts": torch.tensor(self._counts),
            "totals": self._totals,
            "squares": torch.tensor(self._squares, dtype=torch.float64),
            "seen": torch.tensor(self._cursors),
        }

    def merge(self, sums: State) -> None:
        """Add the :attr:`sums` of a part of the rows."""
        for group, count in enumerate(sums["counts"].tolist()):
            self._counts[group] += count
            self._squares[group] += float(sums["squares"][group])
            self._cursors[group] += int(sums["seen"][group])
        self._totals += sums["totals"].to(self._totals.device)

    def _check_complete(self) -> None:
        if self._cursors != list(map(len, self._inliers)):
            raise MIRDataError("not all rows were seen: update() with the rows of every pair")

    def without(self, group: int | None) -> FirstOrder:
        """What remains without the rows of a group; with None, of all rows."""
        self._check_complete()
        rest = [index for index in range(len(self._counts)) if index != group]
        count = sum(self._counts[index] for index in rest)
        mean = self._totals[rest].sum(0) / count
        of_mean = float(mean @ (self._gradient @ mean.to(self._gradient.dtype)).double())
        squares = sum(self._squares[index] for index in rest) - count * of_mean
        return FirstOrder(self._centre + mean, squares / (count - 1))


@dataclass(frozen=True)
class Linearised:
    """One layer's distance around its moments: mean term exact, covariance term to first order."""

    covariance_term: float
    influences: Modalities[Influence]
    alphas: dict[int, float]
    """Text-centric scale without each group, by the group's number."""

    @classmethod
    def at(cls, modalities: Modalities[ModalitySummary], terms: FrechetTerms, maps: Maps) -> Linearised:
        """Linearise at the moments of both modalities.

        Args:
            modalities: both summaries.
            terms: of the distance between vision and text.
            maps: the optimal maps between vision and text; taken over.
        """
        influences = []
        for summary, map_away in zip(modalities, maps, strict=True):
            # The derivative of tr S - 2 tr(S_v S_t)^(1/2) is I - T, and I - T^-1.
            gradient = map_away.neg_()
            gradient.diagonal().add_(1)
            assert summary.whole is not None, "there are rows"
            influences.append(Influence(gradient, summary.whole.centre, summary.outlier_masks))
        return cls(terms.covariance_term, Modalities(*influences), scales_without(modalities.text))

    def distances(self) -> list[float]:
        """The scaled distance without each group in turn; all rows must have been added."""
        whole = self.influences.map(lambda influence: influence.without(None))
        values = []
        for group, alpha in self.alphas.items():
            vision, text = (influence.without(group) for influence in self.influences)
            mean_term = float((vision.mean - text.mean).square().sum())
            change = vision.inner - whole.vision.inner + text.inner - whole.text.inner
            values.append(alpha**2 * (mean_term + self.covariance_term + change))
        return values


def scales_without(text: ModalitySummary) -> dict[int, float]:
    """Alpha (eq. 2) without each group of text rows in turn, by number; groups without rows are left out."""
    total = sum(text.norm_sums)
    return {
        group: (text.tokens - len(norms)) / (total - own)
        for group, (norms, own) in enumerate(zip(text.norms, text.norm_sums, strict=True))
        if len(norms)
    }
