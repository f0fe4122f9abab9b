"""The outlier rule omega of the paper: three standard deviations of the rows' norms."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mir_task.errors import MIRDataError

OUTLIER_SIGMAS = 3.0


class OutlierRule(NamedTuple):
    """Row i is an outlier iff ``|norm_i - median(norms)| > 3 std(norms)``.

    The median is taken as torch.median does (the lower of two middle values) and the standard deviation with n - 1 (MIR
    paper, section 3; released script, ``replace_outliers_with_median_l2``).
    """

    median: float
    limit: float
    """Three standard deviations."""

    @classmethod
    def of(cls, norms: Tensor) -> OutlierRule:
        """The rule for rows of these L2 norms [n].

        Raises:
            MIRDataError: fewer than two rows.
        """
        if len(norms) < 2:
            raise MIRDataError(f"a covariance needs at least 2 rows, got {len(norms)}")
        norms = norms.double()
        return cls(float(norms.median()), OUTLIER_SIGMAS * float(norms.std()))

    def mask(self, norms: Tensor) -> Tensor:
        """Which rows it flags, [n] bool."""
        return (norms.double() - self.median).abs() > self.limit

    def state(self) -> Tensor:
        """Both numbers, [2] float64."""
        return torch.tensor(self, dtype=torch.float64)
