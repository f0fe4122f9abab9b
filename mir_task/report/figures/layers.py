"""Layer by layer: the distance's two terms above its noise floor, all models together, and the norm ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from mir_task.metrics import Curve, LayerMetric
from mir_task.report.compare import Checkpoint
from mir_task.report.figures.style import HAIRLINE, INK, MUTED, Drawing, colour, drawn, panel, slug
from mir_task.report.text import number
from mir_task.result import LayerResult, MIRResult

TALL = (3.7, 3.5)
"""Inches; room for a legend below the axes."""
MOST_MODELS = 8
"""Curves that one panel can hold and a reader tell apart."""

LONGEST_TITLE, LONGEST_LABEL = 42, 30
"""Characters."""


def terms(label: str, result: MIRResult, name: str, index: int) -> Drawing:
    """Mean term and covariance term of one model, stacked to the distance, with the noise floors."""
    layers = np.array([layer.layer for layer in result.layers])
    mean = np.array([layer.mean_term for layer in result.layers])
    fid = np.array([layer.fid for layer in result.layers])
    with panel(TALL) as (figure, axes):
        paint = colour(index)
        axes.fill_between(layers, 0, mean, color=paint, alpha=0.55, lw=0, label="mean term")
        axes.fill_between(layers, mean, fid, color=paint, alpha=0.22, lw=0, label="covariance term")
        axes.plot(layers, fid, color=paint, lw=1.3)
        errors = [layer.standard_error for layer in result.layers]
        if all(error is not None for error in errors):
            axes.errorbar(
                layers, fid, yerr=np.array(errors, dtype=float), fmt="none", ecolor=paint, elinewidth=0.8
            )
        vision = [layer.noise_floor_vision for layer in result.layers]
        text = [layer.noise_floor_text for layer in result.layers]
        _noise_floor(axes, layers, vision, "vision", (0, (4, 2)))
        _noise_floor(axes, layers, text, "text", (0, (1, 1.5)))
        axes.set_ylim(bottom=0)
        _layer_axis(axes, layers)
        axes.set_ylabel("distance (mean text norm, squared)")
        axes.set_title(_end(label, LONGEST_TITLE))
        figure.legend(loc="outside lower left", ncols=2, handlelength=1.6)
        return drawn(figure, name, _terms_caption(result), png=True)


def overlay(checkpoints: Sequence[Checkpoint], metric: LayerMetric, curve: Curve) -> Drawing | None:
    """One number of every model over the layers, a line for each.

    Args:
        checkpoints: models whose layers are known.
        metric: the number.
        curve: how it is drawn.

    Returns:
        None if no layer has the number.
    """
    results = [(c.label, c.result) for c in checkpoints[:MOST_MODELS] if c.result]
    lines = [_values(result, metric) for _, result in results]
    if all(math.isnan(value) for line in lines for value in line):
        return None
    with panel(TALL) as (figure, axes):
        for index, ((label, result), line) in enumerate(zip(results, lines, strict=True)):
            axes.plot(
                [layer.layer for layer in result.layers],
                line,
                color=colour(index),
                lw=1.3,
                marker="o" if len(line) < 3 else None,
                markersize=4,
                label=_end(label, LONGEST_LABEL),
            )
        if curve.hairline is not None:
            axes.axhline(curve.hairline, color=HAIRLINE, lw=0.8, zorder=0)
        _, deepest = max(results, key=lambda named: len(named[1].layers))
        _layer_axis(axes, np.array([layer.layer for layer in deepest.layers]))
        axes.set_title(curve.title)
        axes.set_ylabel(curve.axis)
        axes.set_ylim(bottom=0)
        figure.legend(loc="outside lower left", ncols=2, handlelength=1.2)
        caption = metric.meaning
        if len(checkpoints) > MOST_MODELS:
            caption += f" The {MOST_MODELS} lowest of {len(checkpoints)} models."
        return drawn(figure, slug(curve.title), caption, png=True)


def _values(result: MIRResult, metric: LayerMetric) -> list[float]:
    """[layers] the metric's number; NaN, a gap in the line, where it is not known."""
    read = [metric.read(layer) for layer in result.layers]
    return [math.nan if value is None else value for value in read]


def _end(label: str, longest: int) -> str:
    return label if len(label) <= longest else "…" + label[1 - longest :]


def _layer_axis(axes: Any, layers: Any) -> None:
    axes.set_xlabel("decoder layer")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_xlim(layers.min() - 0.3, layers.max() + 0.3)
    axes.tick_params(colors=MUTED)


def _noise_floor(
    axes: Any,
    layers: Any,
    values: Sequence[float | None],
    modality: str,
    style: tuple[int, tuple[float, float]],
) -> None:
    """A line, unless the floor was not estimated at some layer."""
    if all(value is not None for value in values):
        floor = np.array(values, dtype=float)
        axes.plot(layers, floor, color=INK, lw=1, ls=style, label=f"noise floor, {modality}")


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
