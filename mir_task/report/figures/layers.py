"""Layer by layer: the distance's two terms above its noise floor, all models together, and the norm ratio."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mir_task.report.compare import Checkpoint
from mir_task.report.figures.style import HAIRLINE, INK, MUTED, Drawing, colour, drawn, panel
from mir_task.report.text import number
from mir_task.result import LayerResult, MIRResult

TALL = (3.7, 3.5)
"""Inches; room for a legend below the axes."""
MOST_MODELS = 8
"""Curves that one panel can hold and a reader tell apart."""


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
        for floor, style, told in (
            ([layer.noise_floor_vision for layer in result.layers], (0, (4, 2)), "noise floor, vision"),
            ([layer.noise_floor_text for layer in result.layers], (0, (1, 1.5)), "noise floor, text"),
        ):
            if all(value is not None for value in floor):
                axes.plot(layers, np.array(floor, dtype=float), color=INK, lw=1, ls=style, label=told)
        axes.set_ylim(bottom=0)
        _layer_axis(axes, layers)
        axes.set_ylabel("distance (mean text norm, squared)")
        axes.set_title(label if len(label) < 42 else "…" + label[-41:])
        figure.legend(loc="outside lower left", ncols=2, handlelength=1.6)
        return drawn(figure, name, _terms_caption(result), png=True)


def overlay(
    checkpoints: Sequence[Checkpoint],
    name: str,
    value: Callable[[LayerResult], float],
    title: str,
    axis: str,
    told: str,
    level: float | None = None,
) -> Drawing:
    """One quantity of every model, a line each; a hairline at ``level``."""
    with panel(TALL) as (figure, axes):
        deepest: np.ndarray[tuple[int], np.dtype[np.int64]] = np.array([1])
        for index, c in enumerate(checkpoints[:MOST_MODELS]):
            (result,) = [run.result for run in c.runs if run.result][:1]
            layers = np.array([layer.layer for layer in result.layers])
            deepest = layers if len(layers) > len(deepest) else deepest
            label = c.label if len(c.label) <= 30 else "…" + c.label[-29:]
            axes.plot(
                layers,
                [value(layer) for layer in result.layers],
                color=colour(index),
                lw=1.3,
                marker="o" if len(layers) < 3 else None,
                markersize=4,
                label=label,
            )
        if level is not None:
            axes.axhline(level, color=HAIRLINE, lw=0.8, zorder=0)
        _layer_axis(axes, deepest)
        axes.set_title(title)
        axes.set_ylabel(axis)
        axes.set_ylim(bottom=0)
        figure.legend(loc="outside lower left", ncols=2, handlelength=1.2)
        more = len(checkpoints) - MOST_MODELS
        told += f" The {MOST_MODELS} lowest of {len(checkpoints)} models." if more > 0 else ""
        return drawn(figure, name, told, png=True)


def _layer_axis(axes: object, layers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    from matplotlib.axes import Axes
    from matplotlib.ticker import MaxNLocator

    assert isinstance(axes, Axes)
    axes.set_xlabel("decoder layer")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_xlim(layers.min() - 0.3, layers.max() + 0.3)
    axes.tick_params(colors=MUTED)


def _terms_caption(result: MIRResult) -> str:
    total = sum(layer.fid for layer in result.layers)
    share = sum(layer.mean_term for layer in result.layers) / total if total > 0 else float("nan")
    near = [layer.layer for layer in result.layers if _is_near_floor(layer)]
    text = f"Sum over layers {number(total, 2)} (MIR {number(result.mir)}); {100 * share:.0f}% of it is the mean term."
    if near:
        listed = ", ".join(map(str, near)) if len(near) <= 6 else f"{len(near)} of {len(result.layers)}"
        text += f" At or below a noise floor, so no more than noise: layer{'s' * (len(near) > 1)} {listed}."
    return text


def _is_near_floor(layer: LayerResult) -> bool:
    floors = [f for f in (layer.noise_floor_vision, layer.noise_floor_text) if f is not None]
    return bool(floors) and layer.fid <= max(floors)
