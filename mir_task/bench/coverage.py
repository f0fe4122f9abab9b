"""Checks the standard error of MIR in a simulation whose true MIR is known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.stats
import torch
from torch import Tensor
from tqdm import tqdm

from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.statistics import FirstPass, Settled
from mir_task.metric.frechet import frechet_distance
from mir_task.metric.layers import LayerMeasurement, measure_layer, totals
from mir_task.metric.uncertainty import GROUPS

D, PAIRS, TOKENS, REPEATS, LAYERS = 64, 100, 32, 200, 3
CORRELATION = 0.3
"""Share of a row's variance that all tokens of its pair have in common."""


def simulate(seed: int, separation: float) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Draw rows of both modalities for each layer, a tensor [tokens, d] a pair; Gaussian, of known covariance."""
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.arange(1, D + 1, dtype=torch.float64) ** -0.5

    def rows(layer: int, vision: bool) -> list[Tensor]:
        scale, mean = _parameters(layer, vision, separation, spectrum)
        shared = torch.randn(PAIRS, 1, D, generator=generator, dtype=torch.float64)
        own = torch.randn(PAIRS, TOKENS, D, generator=generator, dtype=torch.float64)
        return list(mean + scale * (math.sqrt(CORRELATION) * shared + math.sqrt(1 - CORRELATION) * own))

    return [(rows(layer, True), rows(layer, False)) for layer in range(LAYERS)]


def truth(separation: float) -> float:
    """Compute the MIR of infinitely many pairs, without the outlier rule, which flags one row in a thousand here."""
    return math.log10(math.fsum(true_distances(separation)))


def true_distances(separation: float) -> list[float]:
    """Compute each layer's exact distance for infinitely many pairs; the scale alpha is that of a large sample."""
    spectrum = torch.arange(1, D + 1, dtype=torch.float64) ** -0.5
    generator = torch.Generator().manual_seed(12345)
    distances = []
    for layer in range(LAYERS):
        (scale_v, mean_v), (scale_t, mean_t) = (
            _parameters(layer, vision, separation, spectrum) for vision in (True, False)
        )
        norms = (mean_t + scale_t * torch.randn(400_000, D, generator=generator, dtype=torch.float64)).norm(
            dim=1
        )
        distance = frechet_distance(mean_v, scale_v.square().diag(), mean_t, scale_t.square().diag())
        distances.append(distance / float(norms.mean()) ** 2)
    return distances


def estimate(seed: int, separation: float) -> dict[str, Any]:
    """Simulate one measurement: ``mir``, its standard error and the bias-corrected value."""
    layers = []
    for number, modalities in enumerate(simulate(seed, separation), start=1):
        summaries = []
        for pairs in modalities:
            first = FirstPass(GROUPS)
            for index, rows in enumerate(pairs):
                first.update(rows, index % GROUPS)
            settled = first.close()
            assert isinstance(settled, Settled), "simulated rows have few outliers"
            summaries.append(settled.summary())
        measured = measure_layer(number, Modalities(*summaries))
        assert isinstance(measured, LayerMeasurement), "the groups were kept apart"
        layers.append(measured)
    return totals(layers)


def run(separations: Sequence[float] = (0.0, 0.5, 2.0), repeats: int = REPEATS) -> Iterator[dict[str, Any]]:
    """Count how often mir +- t * standard error covers the runs' mean (right error) and the truth (small bias)."""
    width = scipy.stats.t.ppf(0.975, GROUPS - 1)
    for separation in separations:
        seeds = tqdm(range(repeats), desc=f"coverage {separation}")
        estimates = [estimate(seed, separation) for seed in seeds]
        mir = np.array([one["mir"] for one in estimates])
        errors = np.array([one["standard_error"] for one in estimates])
        corrected = np.array([one["mir_bias_corrected"] or math.nan for one in estimates])
        true = truth(separation)
        yield {
            "separation": separation,
            "repeats": repeats,
            "true_mir": true,
            "mean_mir": float(mir.mean()),
            "mean_corrected": float(np.nanmean(corrected)),
            "true_sd": float(mir.std(ddof=1)),
            "mean_standard_error": float(errors.mean()),
            "covers_mean": float((abs(mir - mir.mean()) < width * errors).mean()),
            "covers_truth": float((abs(mir - true) < width * errors).mean()),
            "corrected_covers_truth": float((abs(corrected - true) < width * errors).mean()),
        }


def floors(separations: Sequence[float] = (0.0, 0.5, 2.0)) -> Iterator[dict[str, Any]]:
    """Yield noise floors and bias correction of one simulated measurement beside the truth, a record a layer."""
    for separation in separations:
        result, true = estimate(0, separation), true_distances(separation)
        for layer, true_fid in zip(result["layers"], true, strict=True):
            yield {
                "separation": separation,
                "layer": layer.layer,
                "fid": layer.fid,
                "noise_floor_vision": layer.noise_floor_vision,
                "noise_floor_text": layer.noise_floor_text,
                "fid_bias_corrected": layer.fid_bias_corrected,
                "true_fid": true_fid,
            }


def _parameters(layer: int, vision: bool, separation: float, spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """Choose standard deviations [d] and mean [d] of a modality at a layer; farther apart in early layers."""
    mean = torch.ones(D, dtype=torch.float64) / math.sqrt(D)
    if not vision:
        return spectrum, mean
    apart = separation / (layer + 1)
    return spectrum * (1.1 + 0.3 * apart), mean + apart * spectrum.flip(0)
