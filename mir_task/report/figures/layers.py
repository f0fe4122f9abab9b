"""Layer by layer: the distance's two terms above its noise floor, all models together, and the norm ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mir_task.metrics import Curve, LayerMetric
from mir_task.report.checkpoint import Checkpoint
from mir_task.report.figures.chart import Axis, Band, Chart, Line, Point, Series
from mir_task.report.figures.style import SERIES, slug
from mir_task.report.text import number
from mir_task.result import LayerResult, MIRResult

MOST_MODELS = len(SERIES)
"""Curves in colours of their own."""
MOST_CURVES = 40
"""Curves of all models; those beyond the coloured ones are grey."""


def terms(checkpoint: Checkpoint, result: MIRResult, name: str, index: int) -> Chart:
    """Mean term and covariance term of one model, stacked to the distance, with the noise floors."""
    layers = [float(layer.layer) for layer in result.layers]
    mean = [layer.mean_term for layer in result.layers]
    fid = [layer.fid for layer in result.layers]
    return Chart(
        name,
        checkpoint.label,
        _terms_caption(result),
        _layer_axis(layers),
        Axis("distance (mean text norm, squared)", limits=(0.0, None)),
        [
            Series("distance", _distances(result), index, line="solid", model=checkpoint.name),
            *_floors(result),
        ],
        [
            Band(layers, [0.0] * len(mean), mean, index, 0.55, "mean term"),
            Band(layers, mean, fid, index, 0.22, "covariance term"),
        ],
        legend=True,
        png=True,
    )


def overlay(checkpoints: Sequence[Checkpoint], metric: LayerMetric, curve: Curve) -> Chart | None:
    """One number of every model over the layers, a line for each; the distance above the models' noise floors.

    Args:
        checkpoints: models whose layers are known.
        metric: the number.
        curve: how it is drawn.

    Returns:
        None if no layer has the number.
    """
    results = [(c, c.result) for c in checkpoints[:MOST_CURVES] if c.result]
    series = []
    for index, (checkpoint, result) in enumerate(results):
        points = [
            Point(layer.layer, value)
            for layer in result.layers
            if (value := _value(layer, metric)) is not None
        ]
        single = 0 if len(points) < 3 else None
        quiet = index >= MOST_MODELS
        series.append(
            Series(
                checkpoint.label,
                points,
                None if quiet else index,
                single,
                "solid",
                model=checkpoint.name,
                quiet=quiet,
            )
        )
    if not any(each.points for each in series):
        return None
    layers = [float(layer.layer) for _, result in results for layer in result.layers]
    floor = _floor_of_all([result for _, result in results]) if metric.name == "fid" else None
    caption = metric.meaning
    if floor:
        caption += (
            " Grey area: the noise floors of both modalities, lowest to highest; what lies below is noise."
        )
    if len(results) > MOST_MODELS:
        caption += f" In colours the {MOST_MODELS} models of lowest MIR; the others are grey"
        caption += f", up to {MOST_CURVES} of {len(checkpoints)}." if len(checkpoints) > MOST_CURVES else "."
    return Chart(
        slug(curve.title),
        curve.title,
        caption,
        _layer_axis(layers),
        Axis(curve.axis, limits=(0.0, None)),
        series,
        [floor] if floor else [],
        guides=[("y", curve.hairline)] if curve.hairline is not None else [],
        legend=True,
        png=True,
    )


def _value(layer: LayerResult, metric: LayerMetric) -> float | None:
    value = metric.read(layer)
    return None if value is None or not math.isfinite(value) else float(value)


def _distances(result: MIRResult) -> list[Point]:
    return [
        Point(
            layer.layer,
            layer.fid,
            up=None
            if layer.standard_error is None
            else (layer.fid - layer.standard_error, layer.fid + layer.standard_error),
        )
        for layer in result.layers
    ]


def _layer_axis(layers: Sequence[float]) -> Axis:
    return Axis("decoder layer", whole=True, limits=(min(layers) - 0.3, max(layers) + 0.3))


def _floors(result: MIRResult) -> list[Series]:
    """A line for each modality, unless its floor was not estimated at some layer."""
    styles: tuple[tuple[str, Line], ...] = (("vision", "dashed"), ("text", "dotted"))
    found = []
    for modality, line in styles:
        floor = [(layer.layer, getattr(layer, f"noise_floor_{modality}")) for layer in result.layers]
        if all(value is not None for _, value in floor):
            points = [Point(at, value) for at, value in floor]
            found.append(Series(f"noise floor, {modality}", points, None, line=line))
    return found


def _floor_of_all(results: Sequence[MIRResult]) -> Band | None:
    """From the lowest to the highest noise floor at each layer, over models and modalities."""
    floors: dict[int, list[float]] = {}
    for result in results:
        for layer in result.layers:
            known = [
                floor for floor in (layer.noise_floor_vision, layer.noise_floor_text) if floor is not None
            ]
            floors.setdefault(layer.layer, []).extend(known)
    if not floors or not all(floors.values()):
        return None
    at = sorted(floors)
    return Band(at, [min(floors[i]) for i in at], [max(floors[i]) for i in at], None, 0.3, "noise floors")


def _terms_caption(result: MIRResult) -> str:
    total = sum(layer.fid for layer in result.layers)
    share = sum(layer.mean_term for layer in result.layers) / total if total > 0 else math.nan
    near = [layer.layer for layer in result.layers if _is_near_floor(layer)]
    text = f"Sum over layers {number(total, 2)} (MIR {number(result.mir)}); {100 * share:.0f}% of it is the mean term."
    if near:
        listed = ", ".join(map(str, near)) if len(near) <= 6 else f"{len(near)} of {len(result.layers)}"
        text += f" At or below a noise floor, so no more than noise: layer{'s' * (len(near) > 1)} {listed}."
    return text


def _is_near_floor(layer: LayerResult) -> bool:
    floors = [floor for floor in (layer.noise_floor_vision, layer.noise_floor_text) if floor is not None]
    return bool(floors) and layer.fid <= max(floors)
