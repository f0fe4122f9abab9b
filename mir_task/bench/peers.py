"""The distance as others compute it: from (mean_a, cov_a, mean_b, cov_b), float64 numpy, to the FID."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_fid.fid_score
import scipy.linalg
import torch
import torch_fidelity.metric_fid
import torchmetrics.image.fid

from mir_task.metric.frechet import frechet_distance
from mir_task.metric.root import by_polar


def ours(statistics: Any) -> float:
    """Compute it with this package."""
    return frechet_distance(*(torch.from_numpy(value) for value in statistics))


def polar(statistics: Any) -> float:
    """Compute it by this package's polar iteration; NaN where a covariance is singular, which it leaves to others."""
    mean_a, cov_a, mean_b, cov_b = (_on_accelerator(value) for value in statistics)
    root = by_polar(cov_a, cov_b)
    return (
        math.nan
        if root is None
        else float((mean_a - mean_b).square().sum() + (cov_a + cov_b).trace()) - 2 * root
    )


def accelerator(statistics: Any) -> float:
    """Compute it with this package on the GPU."""
    return frechet_distance(*(_on_accelerator(value) for value in statistics))


def _on_accelerator(value: Any) -> torch.Tensor:
    return torch.from_numpy(value).to("cuda" if torch.cuda.is_available() else "cpu")


def scipy_sqrtm(statistics: Any) -> float:
    """Compute it the textbook way: scipy's root of the nonsymmetric product, float64."""
    mean_a, cov_a, mean_b, cov_b = statistics
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root).real)


def script_accurate(statistics: Any) -> float:
    """Compute it as the released script's "accurate" mode: the textbook way, statistics rounded to float32."""
    return scipy_sqrtm([value.astype(np.float32) for value in statistics])


def script_fast(statistics: Any) -> float:
    """Compute it as the released script's default mode: five steps of its iteration, float32."""
    mean_a, cov_a, mean_b, cov_b = (torch.from_numpy(value).float() for value in statistics)
    root = script_fast_root(cov_a @ cov_b)
    return float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * root.trace())


def script_fast_root(product: torch.Tensor) -> torch.Tensor:
    """Compute what the script's default mode takes for the root of a [d, d] product of covariances."""
    y, z = product, torch.eye(len(product), device=product.device)
    for _ in range(5):
        y = 0.5 * (y + torch.inverse(z) @ product)
        z = 0.5 * (z + torch.inverse(y) @ product)
    return y


def torchmetrics_fid(statistics: Any) -> float:
    """Compute it with torchmetrics: eigenvalues of the nonsymmetric product, in torch."""
    return float(torchmetrics.image.fid._compute_fid(*(torch.from_numpy(value) for value in statistics)))


def torch_fidelity_fid(statistics: Any) -> float:
    """Compute it with torch-fidelity: eigenvalues of the nonsymmetric product, in numpy."""
    mean_a, cov_a, mean_b, cov_b = statistics
    result = torch_fidelity.metric_fid.fid_statistics_to_metric(
        {"mu": mean_a, "sigma": cov_a}, {"mu": mean_b, "sigma": cov_b}, False
    )
    return float(result["frechet_inception_distance"])


def pytorch_fid_distance(statistics: Any) -> float:
    """Compute it with pytorch-fid (clean-fid has the same code): scipy's root, with jitter if it fails."""
    return float(pytorch_fid.fid_score.calculate_frechet_distance(*statistics))


PEERS: dict[str, Callable[[Any], float]] = {
    "mir-task": ours,
    "mir-task, polar iteration": polar,
    "torch-fidelity": torch_fidelity_fid,
    "torchmetrics": torchmetrics_fid,
    "scipy sqrtm": scipy_sqrtm,
    "pytorch-fid": pytorch_fid_distance,
    "released script, accurate": script_accurate,
    "released script, fast": script_fast,
}
if torch.cuda.is_available():
    PEERS["mir-task on the GPU"] = accelerator
