"""Distances at three digits, for noise floors and bias: from triangular factors, each of which serves several."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mir_task.accumulate.moments import Moments
from mir_task.errors import MIRDataError
from mir_task.metric.band import sum_of_singular_values
from mir_task.metric.polar import least_singular_value, nuclear_norm
from mir_task.metric.products import product_of_factors

POLAR_ACCURACY = 1e-7
"""What the polar iteration may leave out, relative to the traces."""
GROWTH = 10.0


@dataclass(frozen=True)
class Factored:
    """Moments of some rows, their covariance as a triangular factor."""

    mean: Tensor
    """[d] float64."""
    trace: float
    """The trace of the covariance S."""
    lower: Tensor
    """L [d, d] with S = L L^T, float32."""

    @classmethod
    def of(cls, moments: Moments) -> Factored:
        """Factor a covariance, which is taken over; one that is singular gets a multiple of the identity added.

        It is the least of round-off size with which the factor exists: about 1e-9 of the trace where sums are float32,
        1e-17 where they are float64. Its root times that of the other covariance is the error.

        Raises:
            MIRDataError: NaN or Inf in the covariance.
        """
        covariance, trace = moments.covariance, float(moments.covariance.trace())
        if not torch.isfinite(covariance).all():
            raise MIRDataError("noise floors: the covariance of half of the pairs holds NaN or Inf")
        added = moments.epsilon * trace / math.sqrt(len(covariance)) or torch.finfo(torch.float64).tiny
        lower, failed = torch.linalg.cholesky_ex(covariance)
        while int(failed):
            covariance.diagonal().add_(added)
            added *= GROWTH
            lower, failed = torch.linalg.cholesky_ex(covariance)
        return cls(moments.mean, trace, lower.float())

    def distance(self, other: Factored) -> float:
        """Squared Fréchet distance to other rows; its error is below 1e-5 of the traces where neither is singular."""
        covariance_term = self.trace + other.trace - 2 * self._root_trace(other)
        return float((self.mean - other.mean).square().sum()) + max(covariance_term, 0.0)

    def _root_trace(self, other: Factored) -> float:
        """Sum of the singular values of L_a^T L_b: from a band on the CPU, by matrix products alone elsewhere."""
        product = product_of_factors(self.lower, other.lower)
        if product.device.type == "cpu":
            return sum_of_singular_values(product)
        smallest = least_singular_value(self.lower, other.lower)
        return nuclear_norm(product, POLAR_ACCURACY * (self.trace + other.trace), smallest)
