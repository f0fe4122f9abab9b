"""Benchmark (a): one layer's distance from its statistics, against all other implementations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import scipy.linalg
from tqdm import tqdm

from mir_task.bench.features import hidden_states
from mir_task.bench.isolated import measure
from mir_task.bench.peers import PEERS

SIZES = (512, 1024, 2048, 4096)
SEEDS = (1, 2)


def rows_per_dimension(kind: str) -> float:
    """How many rows a dimension a case has: "full" for covariances of full rank, "deficient" for half of it."""
    return {"full": 3.0, "deficient": 0.5}[kind]


def statistics(d: int, kind: str) -> tuple[list[Any], float]:
    """Compute means and covariances of two sets of synthetic rows, and their true distance.

    The truth comes from the centred rows X, whose covariance is X^T X: the root's trace is the sum of the singular
    values of X_a X_b^T. Where there are more rows than dimensions, X is replaced by its triangular factor. Nothing is
    squared before a root is taken of it, and no step is shared with what is measured.

    Returns:
        (mean_a, cov_a, mean_b, cov_b), float64, and the distance.
    """
    values, factors = [], []
    for seed in SEEDS:
        rows = hidden_states(int(rows_per_dimension(kind) * d), d, seed).numpy()
        mean = rows.mean(0)
        centred = (rows - mean) / np.sqrt(len(rows) - 1)
        values += [mean, centred.T @ centred]
        factors.append(scipy.linalg.qr(centred, mode="r")[0][:d] if len(rows) > d else centred)
    mean_a, cov_a, mean_b, cov_b = values
    root = scipy.linalg.svdvals(factors[0] @ factors[1].T).sum()
    return values, float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * root)


def run(sizes: Iterable[int] = SIZES, methods: Iterable[str] = tuple(PEERS)) -> Iterator[dict[str, Any]]:
    """Measure every method at every size, full and deficient; yield one record each."""
    cases = [(d, kind) for d in sizes for kind in ("full", "deficient")]
    for d, kind in tqdm(cases, desc="distance", unit="case"):
        inputs, truth = statistics(d, kind)
        for name in methods:
            measured = measure(_load, PEERS[name], inputs)
            yield {
                "d": d,
                "rank": kind,
                "method": name,
                "seconds": measured.seconds,
                "extra_mib": measured.extra_bytes / 2**20,
                "relative_error": abs(measured.value - truth) / truth,
            }


def _load(*values: Any) -> Any:
    return values[0]
