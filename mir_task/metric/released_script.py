"""What the authors' released script takes for the distance in its default mode, to compare with published numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mir_task.accumulate.summary import ModalitySummary


@dataclass(frozen=True)
class Replaced:
    """A modality whose m outlier rows were all replaced by one row x, next to n other rows of mean mu, covariance S.

    Its mean is ``mu + share offset`` and its covariance ``shrinkage S + weight offset offset^T``, offset = x - mu.
    """

    offset: Tensor
    share: float
    shrinkage: float
    weight: float

    @classmethod
    def of(cls, summary: ModalitySummary, replacement: Tensor) -> Replaced:
        """The outliers of a modality replaced by this row [d], float64."""
        replaced, total = summary.outliers, summary.tokens
        return cls(
            offset=replacement - summary.moments.mean,
            share=replaced / total,
            shrinkage=(total - replaced - 1) / (total - 1),
            weight=(total - replaced) * replaced / (total * (total - 1)),
        )


def reference_distances(vision: ModalitySummary, text: ModalitySummary, alpha: float) -> list[float]:
    """The script's distance in its default mode, evaluated stably.

    Its "fast" root iterates Y <- (Y + Z^-1 A) / 2, Z <- (Z + Y^-1 A) / 2 from Y = A = S_v S_t, Z = I, whose
    fixed point is A itself and not A^(1/2), so that its last term is tr(S_v S_t). The iteration is unstable:
    the script's own value agrees with this one to about 0.5% and differs from device to device.

    Args:
        vision: before scaling.
        text: likewise.
        alpha: the text-centric scale.

    Returns:
        The value, which unlike a distance can be negative, for each replacement row of the modalities in turn
        (side by side, where one has a single exact one and the other a sampled one and its halves).
    """
    v, t = vision.moments, text.moments
    traces = float(v.covariance.trace()), float(t.covariance.trace())
    product = float(torch.dot(v.covariance.flatten(), t.covariance.flatten()))
    values = []
    for index in range(max(len(vision.replacements), len(text.replacements))):
        a = Replaced.of(vision, vision.replacements[min(index, len(vision.replacements) - 1)])
        b = Replaced.of(text, text.replacements[min(index, len(text.replacements) - 1)])
        mean = (v.mean + a.share * a.offset - t.mean - b.share * b.offset).square().sum()
        trace = (
            a.shrinkage * traces[0]
            + a.weight * a.offset.square().sum()
            + b.shrinkage * traces[1]
            + b.weight * b.offset.square().sum()
        )
        # tr(S_v S_t), multiplied out.
        lost_root = (
            a.shrinkage * b.shrinkage * product
            + a.shrinkage * b.weight * (b.offset @ v.covariance @ b.offset)
            + b.shrinkage * a.weight * (a.offset @ t.covariance @ a.offset)
            + a.weight * b.weight * (a.offset @ b.offset).square()
        )
        # It is of degree 4 in the rows where everything else is of degree 2.
        values.append(float(alpha**2 * (mean + trace - 2 * alpha**2 * lost_root)))
    return values
