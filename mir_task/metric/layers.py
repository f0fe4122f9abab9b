"""MIR from the statistics of each layer (arXiv 2410.07167, eq. 1-4)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mir_task.accumulate.statistics import ModalityStatistics
from mir_task.accumulate.summary import ModalitySummary
from mir_task.errors import MIRDataError
from mir_task.metric.frechet import terms_between
from mir_task.metric.influence import Influence, Linearised
from mir_task.metric.released_script import reference_distances
from mir_task.metric.uncertainty import half_distances, jackknife_error, left_out_distances
from mir_task.result import LayerResult, MIRResult


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
        layers.append(measure_layer(number, *summaries))
    return MIRResult(**totals(layers))


def summarise(statistics: ModalityStatistics, layer: int, modality: str) -> ModalitySummary:
    """``statistics.summary()`` with its moments; errors name the layer and modality."""
    try:
        summary = statistics.summary()
        _ = summary.moments
        return summary
    except MIRDataError as error:
        raise MIRDataError(
            f"layer {layer}, {modality} tokens: {error}; measure more pairs or longer texts"
        ) from error


@dataclass(frozen=True)
class LayerMeasurement:
    """A layer's result and its distances without each group of pairs in turn (none if they cannot be told)."""

    result: LayerResult
    left_out: list[float] = field(default_factory=list)
    pending: Linearised | None = None
    """Where the groups were not kept apart: give it all rows once more, then call :meth:`complete`."""

    @property
    def influences(self) -> tuple[Influence, Influence] | tuple[None, None]:
        """What is to be given all rows of vision and of text, if anything."""
        return (self.pending.vision, self.pending.text) if self.pending else (None, None)

    def with_left_out(self, left_out: list[float]) -> LayerMeasurement:
        """The same with these distances and the standard error that follows from them."""
        error = jackknife_error(left_out) if left_out else None
        return LayerMeasurement(self.result.model_copy(update={"standard_error": error}), left_out)

    def complete(self) -> LayerMeasurement:
        """The same with what is pending worked out."""
        return self.with_left_out(self.pending.distances()) if self.pending else self


def measure_layer(layer: int, vision: ModalitySummary, text: ModalitySummary) -> LayerMeasurement:
    """The distance of one layer from both modalities' summaries (eq. 2 and 3), with its uncertainty.

    Raises:
        MIRDataError: all text rows are zero, so that eq. 2 has no scale.
    """
    if text.mean_norm == 0:
        raise MIRDataError(f"layer {layer}: every text row is zero, text-centric normalisation is undefined")
    alpha = 1 / text.mean_norm
    # FID(a V, a T) = a^2 FID(V, T): scaling the two terms is scaling the rows.
    scale = alpha**2
    terms = terms_between(vision.moments, text.moments)
    left_out = left_out_distances(vision, text, terms)
    halves = half_distances(vision, text)
    reference = reference_distances(vision, text, alpha)
    result = LayerResult(
        layer=layer,
        fid=scale * sum(terms),
        mean_term=scale * terms.mean_term,
        covariance_term=scale * terms.covariance_term,
        standard_error=None,
        fid_bias_corrected=scale * halves.corrected(sum(terms)) if halves else None,
        noise_floor_vision=scale * halves.vision if halves else None,
        noise_floor_text=scale * halves.text if halves else None,
        fid_reference=reference[0],
        fid_reference_error=abs(reference[1] - reference[2]) / 2 if len(reference) > 1 else 0.0,
        alpha=alpha,
        alpha_inliers=1 / text.mean_norm_inliers if text.mean_norm_inliers else math.inf,
        vision_norm=vision.mean_norm,
        text_norm=text.mean_norm,
        vision_tokens=vision.tokens,
        text_tokens=text.tokens,
        vision_outliers=vision.outliers,
        text_outliers=text.outliers,
        passes=max(vision.passes, text.passes),
    )
    if isinstance(left_out, Linearised):
        return LayerMeasurement(result, pending=left_out)
    return LayerMeasurement(result).with_left_out(left_out or [])


def totals(layers: Sequence[LayerMeasurement]) -> dict[str, Any]:
    """The numbers of a whole measurement from its layers, as fields of :class:`mir_task.result.MIRResult`."""
    results = [layer.result for layer in layers]
    corrected = [r.fid_bias_corrected for r in results if r.fid_bias_corrected is not None]
    left_out = [_log10(distances) for distances in zip(*(layer.left_out for layer in layers), strict=True)]
    return {
        "mir": _log10(result.fid for result in results),
        "mir_reference": _log10_or_none(result.fid_reference for result in results),
        "mir_bias_corrected": _log10_or_none(corrected) if len(corrected) == len(results) else None,
        "standard_error": jackknife_error(left_out) if left_out else None,
        "layers": results,
    }


def _log10(distances: Iterable[float]) -> float:
    """Eq. 4; -inf if the modalities coincide at every layer."""
    total = math.fsum(distances)
    return math.log10(total) if total > 0 else -math.inf


def _log10_or_none(distances: Iterable[float]) -> float | None:
    """For sums that, unlike those of distances, may be negative and then have no logarithm."""
    total = math.fsum(distances)
    return math.log10(total) if total > 0 else None
