"""The authors' released script in its default mode, to compare with published numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.summary import ModalitySummary


class ReferenceDistance(NamedTuple):
    """The released script's value for one layer, scaled by alpha. Unlike a distance it can be negative."""

    value: float
    error: float
    """Sampling error; 0 where the medians were taken of all rows."""


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


def reference_distance(modalities: Modalities[ModalitySummary], alpha: float) -> ReferenceDistance:
    """The script's distance in its default mode, evaluated stably.

    Its "fast" root iterates Y <- (Y + Z^-1 A) / 2, Z <- (Z + Y^-1 A) / 2 from Y = A = S_v S_t, Z = I, whose
    fixed point is A itself and not A^(1/2), so that its last term is tr(S_v S_t). The iteration is unstable:
    the script's own value agrees with this one to about 0.5% and differs from device to device.

    Args:
        modalities: both summaries, before scaling.
        alpha: the text-centric scale (eq. 2).
    """
    v, t = modalities.vision.moments, modalities.text.moments
    traces = Modalities(float(v.covariance.trace()), float(t.covariance.trace()))
    product = float(torch.dot(v.covariance.flatten(), t.covariance.flatten()))

    def value(a: Replaced, b: Replaced) -> float:
        mean = (v.mean + a.share * a.offset - t.mean - b.share * b.offset).square().sum()
        trace = (
            a.shrinkage * traces.vision
            + a.weight * a.offset.square().sum()
            + b.shrinkage * traces.text
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
        return float(alpha**2 * (mean + trace - 2 * alpha**2 * lost_root))

    values = [value(a, b) for a, b in _replacements(modalities)]
    return ReferenceDistance(values[0], abs(values[1] - values[2]) / 2 if len(values) > 1 else 0.0)


def _replacements(modalities: Modalities[ModalitySummary]) -> list[tuple[Replaced, Replaced]]:
    """Both modalities with their outliers replaced: by the medians, then by those of either half of the samples.

    A modality whose median is exact has no halves and stands beside the other's as it is.
    """
    vision, text = ([Replaced.of(summary, row) for row in summary.replacements] for summary in modalities)
    count = max(len(vision), len(text))
    vision, text = (each if len(each) == count else each * count for each in (vision, text))
    return list(zip(vision, text, strict=True))
