"""Rows with planted outliers, what the statistics make of them, and what numpy makes of all of them at once."""

import numpy as np
import torch

from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.statistics import FirstPass, SecondPass
from mir_task.metric.released_script import Replaced

N, D = 6000, 12
LITTLE_ROOM = BufferSizes(waiting_rows=200)
"""100 rows of large norms wait and 25 of small ones, so that thousands of outliers are too many."""


def rows(n=N, d=D, seed=0, share=0.0, factor=100.0, at=None, dtype=torch.float64):
    """Rows of which a share is ``factor`` times as long, at random places or at the start or end."""
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(n, d, generator=generator, dtype=torch.float64) + 2
    count = int(share * n)
    places = {"first": torch.arange(count), "last": torch.arange(n - count, n)}.get(
        at, torch.randperm(n, generator=generator)[:count]
    )
    data[places] *= factor
    return data.to(dtype)


SCENARIOS = {
    "no outliers": {},
    "0.1% x100": {"share": 0.001},
    "1% x100": {"share": 0.01},
    "1% x100, another modality": {"share": 0.01, "seed": 1},
    "1% x10": {"share": 0.01, "factor": 10.0},
    "0.3% x1/100": {"share": 0.003, "factor": 0.01},
    "masking: 15% x100": {"share": 0.15},
    "extreme rows first": {"share": 0.01, "at": "first"},
    "extreme rows last": {"share": 0.01, "at": "last"},
}


def accumulate(batches, groups=1, buffers=LITTLE_ROOM):
    """The summary, after a second pass where one is needed."""
    statistics = FirstPass(groups, buffers=buffers)
    feed(statistics, batches, groups)
    statistics = statistics.close()
    if isinstance(statistics, SecondPass):
        feed(statistics, batches, groups)
        statistics = statistics.close()
    return statistics.summary()


def feed(statistics, batches, groups=1):
    for index, batch in enumerate(batches):
        statistics.update(batch, index % groups)


def two_pass(data):
    """Inliers by the rule, from all rows at once, in numpy."""
    data = data.double().numpy()
    norms = np.linalg.norm(data, axis=1)
    median = np.sort(norms)[(len(norms) - 1) // 2]
    outliers = np.abs(norms - median) > 3 * norms.std(ddof=1)
    return data, outliers


def assert_equals_two_pass(result, data, rtol=1e-12):
    data, outliers = two_pass(data)
    assert (result.tokens, result.outliers) == (len(data), outliers.sum())
    inliers = data[~outliers]
    np.testing.assert_allclose(result.moments.mean, inliers.mean(0), rtol=rtol)
    covariance = np.cov(inliers, rowvar=False)
    assert np.abs(result.moments.covariance.numpy() - covariance).max() <= rtol * np.abs(covariance).max()
    replaced = np.where(outliers[:, None], np.sort(data, axis=0)[(len(data) - 1) // 2], data)
    reference = Replaced.of(result, result.replacements[0])
    mean = result.moments.mean + reference.share * reference.offset
    np.testing.assert_allclose(mean, replaced.mean(0), rtol=rtol)
    update = reference.weight * reference.offset.outer(reference.offset)
    difference = (reference.shrinkage * result.moments.covariance + update).numpy() - np.cov(
        replaced, rowvar=False
    )
    assert np.abs(difference).max() <= rtol * np.abs(np.cov(replaced, rowvar=False)).max()
