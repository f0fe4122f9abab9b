"""MIR from the statistics of each layer (arXiv 2410.07167, eq. 1-4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mir_task.errors import MIRDataError
from mir_task.frechet import frechet_terms
from mir_task.result import LayerResult, MIRResult
from mir_task.statistics import ModalityStatistics, ModalitySummary, Moments


def mir_from_features(vision: Sequence[Tensor], text: Sequence[Tensor]) -> MIRResult:
    """MIR of hidden states that were taken elsewhere.

    Args:
        vision: for each layer k = 1..K a tensor [r, d] of the hidden states at all vision positions of all
            pairs, any floating dtype. Leave the embeddings (k = 0) out; take the last layer after the final
            norm, as transformers' ``hidden_states[-1]`` is.
        text: likewise [s, d] for all text positions.

    Returns:
        The result, without protocol, model, pairs or standard error, which features alone do not tell.

    Raises:
        MIRDataError: no layers, different numbers of layers, NaN or Inf (naming the layer and modality), or
            too few rows for a covariance.

    Example:
        >>> import torch
        >>> rows = torch.randn(2, 200, 8, generator=torch.Generator().manual_seed(0))
        >>> mir_from_features([rows[0]], [rows[0] + 1]).mir > mir_from_features([rows[0]], [rows[1]]).mir
        True
    """
    if not vision or len(vision) != len(text):
        raise MIRDataError(
            "mir_from_features: expected one tensor a layer in both modalities, got "
            f"{len(vision)} vision and {len(text)} text layers"
        )
    layers = []
    for number, modalities in enumerate(zip(vision, text, strict=True), start=1):
        summaries = []
        for name, rows in zip(("vision", "text"), modalities, strict=True):
            if not torch.isfinite(rows).all():
                raise MIRDataError(f"mir_from_features: layer {number} has NaN or Inf in its {name} rows")
            statistics = ModalityStatistics()
            statistics.update(rows)
            summaries.append(summarise(statistics, number, name))
        layers.append(layer_result(number, *summaries))
    return MIRResult(mir=mir(layers), mir_reference=mir_reference(layers), layers=layers)


def summarise(statistics: ModalityStatistics, layer: int, modality: str) -> ModalitySummary:
    """``statistics.summary()``, whose errors then name the layer and modality."""
    try:
        return statistics.summary()
    except MIRDataError as error:
        raise MIRDataError(
            f"layer {layer}, {modality} tokens: {error}; measure more pairs or longer texts"
        ) from error


def layer_result(layer: int, vision: ModalitySummary, text: ModalitySummary) -> LayerResult:
    """The distance of one layer from both modalities' summaries (eq. 2 and 3).

    Raises:
        MIRDataError: all text rows are zero, so that eq. 2 has no scale.
    """
    if text.mean_norm == 0:
        raise MIRDataError(f"layer {layer}: every text row is zero, text-centric normalisation is undefined")
    alpha = 1 / text.mean_norm
    # FID(a V, a T) = a^2 FID(V, T): scaling the two terms is scaling the rows.
    terms = frechet_terms(
        vision.moments.mean, vision.moments.covariance, text.moments.mean, text.moments.covariance
    )
    return LayerResult(
        layer=layer,
        fid=alpha**2 * sum(terms),
        mean_term=alpha**2 * terms.mean_term,
        covariance_term=alpha**2 * terms.covariance_term,
        fid_reference=reference_distance(vision.reference_moments, text.reference_moments, alpha),
        alpha=alpha,
        alpha_inliers=1 / text.mean_norm_inliers if text.mean_norm_inliers else math.inf,
        vision_norm=vision.mean_norm,
        text_norm=text.mean_norm,
        vision_tokens=vision.tokens,
        text_tokens=text.tokens,
        vision_outliers=vision.outliers,
        text_outliers=text.outliers,
    )


def reference_distance(vision: Moments, text: Moments, alpha: float) -> float:
    """What the authors' released script takes for the distance in its default mode, evaluated stably.

    Its "fast" root iterates Y <- (Y + Z^-1 A) / 2, Z <- (Z + Y^-1 A) / 2 from Y = A = S_v S_t, Z = I, whose
    fixed point is A itself and not A^(1/2), so that its last term is tr(S_v S_t). The iteration is unstable:
    the script's own value agrees with this one to about 0.5% and differs from device to device.

    Args:
        vision: moments of the vision rows, outliers replaced, before scaling.
        text: likewise of the text rows.
        alpha: the text-centric scale.

    Returns:
        The value, which unlike a distance can be negative.
    """
    mean_term = (vision.mean - text.mean).square().sum()
    traces = vision.covariance.trace() + text.covariance.trace()
    # tr(S_v S_t) is of degree 4 in the rows where everything else is of degree 2.
    lost_root = alpha**2 * (vision.covariance * text.covariance).sum()
    return float(alpha**2 * (mean_term + traces - 2 * lost_root))


def mir(layers: Sequence[LayerResult]) -> float:
    """Log10 of the summed distances (eq. 4); -inf if the modalities coincide at every layer."""
    total = math.fsum(layer.fid for layer in layers)
    return math.log10(total) if total > 0 else -math.inf


def mir_reference(layers: Sequence[LayerResult]) -> float | None:
    """Log10 of the released script's summed values; None if their sum is not positive."""
    total = math.fsum(layer.fid_reference for layer in layers)
    return math.log10(total) if total > 0 else None
