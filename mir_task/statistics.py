"""What is kept of one modality's hidden states at one layer: rows in, mean and covariance out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mir_task.errors import MIRDataError

OUTLIER_SIGMAS = 3.0


@dataclass(frozen=True)
class Moments:
    """Mean [d] and covariance [d, d] (divided by n - 1) of n rows, float64."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> Moments:
        """Two-pass moments of rows [n, d], n >= 2, in float64."""
        rows = rows.double()
        mean = rows.mean(0)
        centred = rows - mean
        return cls(mean, centred.T @ centred / (rows.shape[0] - 1))


@dataclass(frozen=True)
class ModalitySummary:
    """One modality at one layer, after outlier handling; rows are not scaled by alpha yet."""

    moments: Moments
    """Outlier rows removed (the paper)."""
    reference_moments: Moments
    """Outlier rows replaced by the per-dimension median of all rows (the released script)."""
    tokens: int
    """Rows before outlier handling."""
    outliers: int
    mean_norm: float
    """Mean L2 norm over all rows, outliers included."""
    mean_norm_inliers: float
    """Mean L2 norm over the rows that are no outliers."""


class ModalityStatistics:
    """Accumulates the rows of one modality at one layer, batch by batch, in any batch sizes.

    The outlier rule needs the median and standard deviation of all norms, which are known only at the end,
    so the rows are held (on the host, in their own dtype) until :meth:`summary`.
    """

    def __init__(self) -> None:
        self._rows: list[Tensor] = []

    @property
    def tokens(self) -> int:
        """Rows seen so far."""
        return sum(rows.shape[0] for rows in self._rows)

    def update(self, rows: Tensor) -> None:
        """Add rows [n, d] of any floating dtype, n >= 0, on any device.

        Raises:
            MIRDataError: not two-dimensional, not of a floating dtype, or of another width than before.
        """
        if rows.ndim != 2 or not rows.is_floating_point():
            raise MIRDataError(
                f"update: expected floating rows [n, d], got {list(rows.shape)} of {rows.dtype}"
            )
        if self._rows and rows.shape[1] != self._rows[0].shape[1]:
            raise MIRDataError(f"update: rows of width {rows.shape[1]} after width {self._rows[0].shape[1]}")
        self._rows.append(rows.detach().cpu())

    def summary(self) -> ModalitySummary:
        """Apply the outlier rule and return the moments.

        Raises:
            MIRDataError: fewer than two rows, or fewer than two that are no outliers.
        """
        if self.tokens < 2:
            raise MIRDataError(f"a covariance needs at least 2 rows, got {self.tokens}")
        rows = torch.cat(self._rows).double()
        norms = torch.linalg.vector_norm(rows, dim=1)
        outliers = outlier_mask(norms)
        kept = rows[~outliers]
        if kept.shape[0] < 2:
            raise MIRDataError(
                f"a covariance needs at least 2 rows, got {kept.shape[0]} after removing "
                f"{int(outliers.sum())} outliers"
            )
        moments = Moments.of(kept)
        reference_moments = moments
        if outliers.any():
            replaced = torch.where(outliers[:, None], rows.median(0).values, rows)
            reference_moments = Moments.of(replaced)
        return ModalitySummary(
            moments=moments,
            reference_moments=reference_moments,
            tokens=rows.shape[0],
            outliers=int(outliers.sum()),
            mean_norm=float(norms.mean()),
            mean_norm_inliers=float(norms[~outliers].mean()),
        )


def outlier_mask(norms: Tensor) -> Tensor:
    """Which rows the 3-sigma rule calls outliers.

    Row i is one iff ``|norm_i - median(norms)| > 3 std(norms)``, with the median as torch.median takes it
    (the lower of two middle values) and the standard deviation with n - 1 (MIR paper, section 3; released
    script, ``replace_outliers_with_median_l2``).

    Args:
        norms: [n] L2 norms, n >= 2.

    Returns:
        [n] bool.
    """
    return (norms - norms.median()).abs() > OUTLIER_SIGMAS * norms.std()
