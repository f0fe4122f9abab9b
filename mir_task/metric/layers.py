"""MIR from the statistics of each layer (arXiv 2410.07167, eq. 1-4)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.statistics import FirstPass, SecondPass, Settled
from mir_task.accumulate.summary import ModalitySummary
from mir_task.errors import MIRDataError
from mir_task.metric.companions import companions
from mir_task.metric.frechet import FrechetTerms, terms_and_maps, terms_between
from mir_task.metric.influence import Influence, Linearised
from mir_task.metric.maps import Maps
from mir_task.metric.released_script import reference_distance
from mir_task.metric.trust import reasons
from mir_task.metric.uncertainty import (
    LINEARISE_ABOVE,
    estimate_dtype,
    half_distances,
    jackknife_error,
    left_out_distances,
    needs_maps,
)
from mir_task.result import LayerResult, MIRResult


def mir_from_features(vision: Sequence[Tensor], text: Sequence[Tensor]) -> MIRResult:
    """MIR of hidden states that were taken elsewhere.

    Args:
        vision: for each layer k = 1..K a tensor [r, d] of the hidden states at all vision positions of all
            pairs, any floating dtype. Leave the embeddings (k = 0) out; take the last layer after the final
            norm, as transformers' ``hidden_states[-1]`` is.
        text: for each layer a tensor [s, d] of the hidden states at all text positions.

    Returns:
        The result, without protocol, model, pairs or standard error, which features alone do not tell.

    Raises:
        MIRDataError: no layers, different numbers of layers, no tensors, NaN or Inf, different widths or too few rows
            for a covariance (naming the layer and modality).

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
    for number, (vision_rows, text_rows) in enumerate(zip(vision, text, strict=True), start=1):
        modalities = Modalities(
            summary_of(vision_rows, number, "vision"), summary_of(text_rows, number, "text")
        )
        if vision_rows.shape[1] != text_rows.shape[1]:
            raise MIRDataError(
                f"mir_from_features: layer {number} has vision rows of width {vision_rows.shape[1]} and text rows of "
                f"width {text_rows.shape[1]}"
            )
        measured = measure_layer(number, modalities)
        assert isinstance(measured, LayerMeasurement), "one group has no standard error to wait for"
        layers.append(measured)
    return with_reasons(MIRResult(**totals(layers)))


def summary_of(rows: Tensor, layer: int, modality: str) -> ModalitySummary:
    """Summary of rows [n, d] that are all there at once.

    Args:
        rows: any floating dtype.
        layer: for the message.
        modality: for the message.

    Raises:
        MIRDataError: NaN or Inf among the rows, or too few of them.
    """
    if not isinstance(rows, Tensor):
        raise MIRDataError(
            f"mir_from_features: layer {layer}, {modality} rows: expected a torch tensor [n, d], got "
            f"{type(rows).__name__}; torch.as_tensor makes one of an array"
        )
    if not torch.isfinite(rows).all():
        raise MIRDataError(f"mir_from_features: layer {layer} has NaN or Inf in its {modality} rows")
    first = FirstPass()
    first.update(rows)
    with too_few_rows(layer, modality):
        closed = first.close()
        if isinstance(closed, SecondPass):
            closed.update(rows)
            closed = closed.close()
        return checked_summary(closed)


def summarise(settled: Modalities[Settled], layer: int) -> Modalities[ModalitySummary]:
    """Both modalities of a layer; what takes memory is computed here, once.

    Raises:
        MIRDataError: too few rows, naming layer and modality.
    """
    summaries = []
    for modality, statistics in settled.named():
        with too_few_rows(layer, modality):
            summaries.append(checked_summary(statistics))
    return Modalities(*summaries)


def checked_summary(settled: Settled) -> ModalitySummary:
    """Summary of which the moments exist."""
    summary = settled.summary()
    _ = summary.moments
    return summary


@contextmanager
def too_few_rows(layer: int, modality: str) -> Iterator[None]:
    """Name layer and modality in an error about too few rows, and say what to do."""
    try:
        yield
    except MIRDataError as error:
        raise MIRDataError(
            f"layer {layer}, {modality} tokens: {error}; measure more pairs or longer texts"
        ) from error


@dataclass(frozen=True)
class LayerMeasurement:
    """A layer's result, and its distances without each group of pairs in turn."""

    result: LayerResult
    left_out: list[float] = field(default_factory=list)
    """Empty where they cannot be told."""

    @classmethod
    def of(cls, result: LayerResult, left_out: list[float]) -> LayerMeasurement:
        """A result with the standard error that follows from these distances."""
        error = jackknife_error(left_out) if left_out else None
        return cls(result.model_copy(update={"standard_error": error}), left_out)


@dataclass(frozen=True)
class PendingLayer:
    """A layer of which the groups were not kept apart: its influences need all rows once more."""

    result: LayerResult
    linearised: Linearised

    @property
    def influences(self) -> Modalities[Influence]:
        """What must be given all rows of vision and of text."""
        return self.linearised.influences

    def complete(self) -> LayerMeasurement:
        """The layer with its standard error.

        Raises:
            MIRDataError: not all rows were given.
        """
        return LayerMeasurement.of(self.result, self.linearised.distances())


def measure_layer(
    layer: int, modalities: Modalities[ModalitySummary], linearise_above: int = LINEARISE_ABOVE
) -> LayerMeasurement | PendingLayer:
    """The distance of one layer from both modalities' summaries (eq. 2 and 3), with its uncertainty.

    Args:
        layer: its number, from 1.
        modalities: both summaries.
        linearise_above: hidden size from which distances without a group are taken to first order.

    Raises:
        MIRDataError: all text rows are zero, so that eq. 2 has no scale.
    """
    text = modalities.text
    if text.mean_norm == 0:
        raise MIRDataError(f"layer {layer}: every text row is zero, text-centric normalisation is undefined")
    alpha = 1 / text.mean_norm
    terms, maps = _terms(modalities, linearise_above)
    left_out = left_out_distances(modalities, terms, maps)
    del maps  # its memory is needed for the halves
    result = _layer_result(layer, modalities, terms, alpha)
    if isinstance(left_out, Linearised):
        return PendingLayer(result, left_out)
    return LayerMeasurement.of(result, left_out or [])


def _terms(modalities: Modalities[ModalitySummary], linearise_above: int) -> tuple[FrechetTerms, Maps | None]:
    """The unscaled distance of vision and text, with the optimal maps where the standard error needs them."""
    vision, text = modalities.map(lambda summary: summary.moments)
    if needs_maps(modalities, linearise_above):
        return terms_and_maps(vision, text, estimate_dtype(len(vision.mean)))
    return terms_between(vision, text), None


def _layer_result(
    layer: int, modalities: Modalities[ModalitySummary], terms: FrechetTerms, alpha: float
) -> LayerResult:
    """All numbers of a layer but its standard error."""
    vision, text = modalities
    # FID(a V, a T) = a^2 FID(V, T): scaling the two terms is scaling the rows.
    scale = alpha**2
    halves = half_distances(modalities)
    reference = reference_distance(modalities, alpha)
    return LayerResult(
        layer=layer,
        fid=scale * sum(terms),
        mean_term=scale * terms.mean_term,
        covariance_term=scale * terms.covariance_term,
        standard_error=None,
        fid_bias_corrected=scale * halves.corrected(sum(terms)) if halves else None,
        noise_floor_vision=scale * halves.vision if halves else None,
        noise_floor_text=scale * halves.text if halves else None,
        fid_reference=reference.value,
        fid_reference_error=reference.error,
        alpha=alpha,
        alpha_inliers=1 / text.mean_norm_inliers if text.mean_norm_inliers else math.inf,
        vision_norm=vision.mean_norm,
        text_norm=text.mean_norm,
        vision_tokens=vision.tokens,
        text_tokens=text.tokens,
        vision_outliers=vision.outliers,
        text_outliers=text.outliers,
        passes=max(vision.passes, text.passes),
        **companions(modalities, terms, scale),
    )


def with_reasons(result: MIRResult) -> MIRResult:
    """The result, with the reasons not to trust it."""
    return result.model_copy(update={"trust": reasons(result)})


def totals(layers: Sequence[LayerMeasurement]) -> dict[str, Any]:
    """The numbers of a whole measurement from its layers, as fields of :class:`mir_task.result.MIRResult`."""
    results = [layer.result for layer in layers]
    corrected = [r.fid_bias_corrected for r in results if r.fid_bias_corrected is not None]
    left_out = [_log10(distances) for distances in zip(*(layer.left_out for layer in layers), strict=True)]
    return {
        "mir": _log10(result.fid for result in results),
        "mir_reference": _log10_or_none(result.fid_reference for result in results),
        "mir_bias_corrected": _log10_or_none(corrected) if len(corrected) == len(results) else None,
        # Without a group, identical modalities have a MIR of -inf, from which nothing is a finite distance away.
        "standard_error": jackknife_error(left_out)
        if left_out and all(map(math.isfinite, left_out))
        else None,
        "mir_left_out": left_out or None,
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
