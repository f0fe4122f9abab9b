"""MIR a second time, from the paper's equations, in float64 with numpy and scipy alone."""

import numpy as np
import scipy.linalg


def mir(vision, text):
    """Eq. 1-4 on lists over layers of [n, d] arrays."""
    return np.log10(sum(_layer(v, t, _remove, _true_root) for v, t in zip(vision, text, strict=True)))


def mir_reference(vision, text, root=None):
    """The released script's steps: outliers replaced by the median row, its "fast" root."""
    root = root or (lambda product: product)
    return np.log10(sum(_layer(v, t, _replace, root) for v, t in zip(vision, text, strict=True)))


def released_root(product, iterations=5):
    """The released script's coupled iteration, as its default mode runs it."""
    y, z = product, np.eye(len(product))
    for _ in range(iterations):
        y = 0.5 * (y + np.linalg.inv(z) @ product)
        z = 0.5 * (z + np.linalg.inv(y) @ product)
    return y


def frechet(mean_a, cov_a, mean_b, cov_b):
    root = _true_root(cov_a @ cov_b)
    return ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root)


def _layer(vision, text, handle_outliers, root):
    alpha = len(text) / np.linalg.norm(text, axis=1).sum()
    vision, text = handle_outliers(alpha * vision), handle_outliers(alpha * text)
    mean_term = ((vision.mean(0) - text.mean(0)) ** 2).sum()
    cov_v, cov_t = np.cov(vision, rowvar=False), np.cov(text, rowvar=False)
    return mean_term + np.trace(cov_v) + np.trace(cov_t) - 2 * np.trace(root(cov_v @ cov_t))


def _outliers(rows):
    norms = np.linalg.norm(rows, axis=1)
    return np.abs(norms - _lower_median(norms)) > 3 * norms.std(ddof=1)


def _lower_median(values):
    return np.sort(values, axis=0)[(len(values) - 1) // 2]


def _remove(rows):
    return rows[~_outliers(rows)]


def _replace(rows):
    return np.where(_outliers(rows)[:, None], _lower_median(rows), rows)


def _true_root(product):
    return scipy.linalg.sqrtm(product).real
