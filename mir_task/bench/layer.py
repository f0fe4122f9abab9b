"""One layer end to end at the size of a 7B model: from the rows of 100 pairs to the distance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.statistics import FirstPass, Settled
from mir_task.accumulate.summary import ModalitySummary
from mir_task.bench.features import hidden_states
from mir_task.bench.isolated import measure
from mir_task.bench.peers import script_fast_root
from mir_task.metric.layers import measure_layer

PAIRS, VISION_TOKENS, TEXT_TOKENS, D = 100, 576, 824, 4096
Pairs = list[tuple[Tensor, Tensor]]


def rows_of_pairs(pairs: int, d: int) -> Pairs:
    """Make vision rows [576, d] and text rows [824, d] of each pair, in float16, as the authors run models."""
    vision = hidden_states(pairs * VISION_TOKENS, d, seed=1, dtype=torch.float32).half()
    text = hidden_states(pairs * TEXT_TOKENS, d, seed=2, dtype=torch.float32).half()
    return list(zip(torch.split(vision, VISION_TOKENS), torch.split(text, TEXT_TOKENS), strict=True))


def ours(pairs: Pairs) -> float:
    """Run this package as ``measure`` does, with one group: no standard error, as the script has none."""
    return _streaming(pairs, groups=1)


def ours_with_error(pairs: Pairs) -> float:
    """Run this package with ten groups: standard error, noise floors and bias correction."""
    return _streaming(pairs, groups=10)


def script_accurate(pairs: Pairs, device: str = "cpu") -> float:
    """Run the released script's "accurate" mode: all rows in float32, scipy's root of the nonsymmetric product."""
    mean_term, cov_a, cov_b = (each.cpu() for each in _script_statistics(pairs, device))
    root = scipy.linalg.sqrtm(cov_a.numpy() @ cov_b.numpy())
    return float(mean_term + cov_a.trace() + cov_b.trace()) - 2 * float(np.trace(root).real)


def script_fast(pairs: Pairs, device: str = "cpu") -> float:
    """Run the released script's steps in its default mode."""
    mean_term, cov_a, cov_b = _script_statistics(pairs, device)
    return float(mean_term + cov_a.trace() + cov_b.trace() - 2 * script_fast_root(cov_a @ cov_b).trace())


def groups_of_pairs(pairs: int, d: int) -> Modalities[ModalitySummary]:
    """Summarise these rows as ``measure`` does, with ten groups."""
    return _summaries(rows_of_pairs(pairs, d), groups=10)


def distance_step(summaries: Modalities[ModalitySummary]) -> list[float | None]:
    """Run what follows the last pair: distance, standard error, noise floors, bias correction, ``mir_reference``."""
    measured = measure_layer(1, summaries).result
    return [
        measured.fid,
        measured.standard_error,
        measured.noise_floor_vision,
        measured.noise_floor_text,
        measured.fid_bias_corrected,
    ]


METHODS: dict[str, Callable[[Pairs], float]] = {
    "mir-task": ours,
    "mir-task with standard error": ours_with_error,
    "released script, accurate": script_accurate,
    "released script, fast": script_fast,
}


def run(pairs: int = PAIRS, d: int = D) -> Iterator[dict[str, Any]]:
    """Yield one record a method; the value is the layer's FID, which the script's fast mode gets wrong."""
    for name, method in METHODS.items():
        measured = measure(rows_of_pairs, method, pairs, d)
        yield {
            "method": name,
            "pairs": pairs,
            "d": d,
            "seconds": measured.seconds,
            "extra_mib": measured.extra_bytes / 2**20,
            "fid": measured.value,
        }


def step(pairs: int = PAIRS, d: int = D) -> Iterator[dict[str, Any]]:
    """Yield one record: the distance of a layer with everything that comes with it, from its statistics."""
    measured = measure(groups_of_pairs, distance_step, pairs, d)
    names = ("fid", "standard_error", "noise_floor_vision", "noise_floor_text", "fid_bias_corrected")
    yield {
        "pairs": pairs,
        "d": d,
        "seconds": measured.seconds,
        "extra_mib": measured.extra_bytes / 2**20,
        **dict(zip(names, measured.value, strict=True)),
    }


def _streaming(pairs: Pairs, groups: int) -> float:
    return measure_layer(1, _summaries(pairs, groups)).result.fid


def _summaries(pairs: Pairs, groups: int) -> Modalities[ModalitySummary]:
    first = Modalities(FirstPass(groups), FirstPass(groups))
    for index, rows in enumerate(pairs):
        first.vision.update(rows[0], index * groups // len(pairs))
        first.text.update(rows[1], index * groups // len(pairs))
    settled = [each.close() for each in first]
    del first
    summaries = [each.summary() for each in settled if isinstance(each, Settled)]
    assert len(summaries) == 2, "a second pass was needed"
    return Modalities(*summaries)


def _script_statistics(pairs: Pairs, device: str) -> tuple[Tensor, Tensor, Tensor]:
    vision = torch.cat([rows.float().to(device) for rows, _ in pairs])
    text = torch.cat([rows.float().to(device) for _, rows in pairs])
    scale = 1 / text.norm(dim=1).mean()
    vision, text = _replace_outliers(scale * vision), _replace_outliers(scale * text)
    mean_term = (vision.mean(0) - text.mean(0)).square().sum()
    return mean_term, _covariance(vision), _covariance(text)


def _replace_outliers(rows: Tensor) -> Tensor:
    norms = rows.norm(dim=1)
    rows[(norms - norms.median()).abs() > 3 * norms.std()] = rows.median(0).values
    return rows


def _covariance(rows: Tensor) -> Tensor:
    rows = rows - rows.mean(0)
    return rows.T @ rows / (len(rows) - 1)
