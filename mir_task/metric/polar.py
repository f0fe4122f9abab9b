"""Polar factor and sum of singular values by matrix products alone, which accelerators do best."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

CONVERGED = 1 - 1e-3
"""From this ratio of the smallest to the largest singular value on, two steps of Newton-Schulz do the rest."""

SMALLEST_START = 1e-4
CUSHION = 1.001
"""Polynomials are steep at the upper end: without a margin, round-off there would grow thirteenfold a step."""


def nuclear_norm(matrix: Tensor, accuracy: float, smallest: float = 0.0) -> float:
    """Sum of the singular values of a matrix [m, n], from below, as tr(X^T M) with X of :func:`polar_factor`.

    Args:
        matrix: float64 or float32.
        accuracy: as for :func:`polar_factor`.
        smallest: as for :func:`polar_factor`.

    Returns:
        The sum; short of the true one by at most ``accuracy``, up to round-off.
    """
    return float((polar_factor(matrix, accuracy, smallest) * matrix).sum(dtype=torch.float64))


def polar_factor(matrix: Tensor, accuracy: float, smallest: float = 0.0) -> Tensor:
    """The orthogonal factor Q of a matrix M = Q H [m, n], but for its smallest singular values.

    For X with singular values f_i in [0, 1] and the singular vectors of M, tr(X^T M) = sum f_i s_i is a lower bound of
    sum s_i. Odd quintic polynomials X <- a X + b X (X^T X) + c X (X^T X)^2 bring all f_i that start above a bound to 1;
    the bound is chosen such that what lies below it sums to less than the accuracy, or such that nothing lies below it.
    The polynomials are the best ones for the interval that the f_i are known to fill at each step (Polar Express, arXiv
    2505.16932).

    Args:
        matrix: float64 or float32.
        accuracy: largest error that the values below the bound may cause in tr(X^T M), in units of the singular values.
        smallest: what no singular value is below, if that is known: the fewer steps the larger it is.

    Returns:
        X [m, n], of the matrix's dtype.
    """
    largest = float(torch.linalg.matrix_norm(matrix))  # Frobenius, at least the largest singular value
    if largest == 0:
        return torch.zeros_like(matrix)
    below = max(accuracy / min(matrix.shape), smallest) / largest
    lowest = max(below, torch.finfo(matrix.dtype).tiny)
    x = matrix / largest
    for a, b, c in _polynomials(min(lowest, 0.5)):
        square = x.T @ x
        x = a * x + x @ torch.addmm(b * square, square, square, alpha=c)
    return x


def least_singular_value(lower_a: Tensor, lower_b: Tensor) -> float:
    """A lower bound of the singular values of L_a^T L_b, by two triangular solves: 1 / |(L_a^T L_b)^-1|, Frobenius.

    Args:
        lower_a: [d, d] lower triangular, float64 or float32.
        lower_b: the same.

    Returns:
        The bound, below the smallest value by at most d^(1/2) times, up to round-off; 0 where the inverse is too large.
    """
    eye = torch.zeros_like(lower_a).fill_diagonal_(1)
    inverse = torch.linalg.solve_triangular(lower_a.T, eye, upper=True)
    norm = float(torch.linalg.matrix_norm(torch.linalg.solve_triangular(lower_b, inverse, upper=False)))
    return 1 / norm if math.isfinite(norm) else 0.0


def _polynomials(lowest: float) -> Iterator[tuple[float, float, float]]:
    """Coefficients that take [lowest, 1] to 1, step by step; values never exceed 1 after the last."""
    low, high = lowest, 1.0
    while low / high < CONVERGED:
        if low / high < 0.1:
            high *= CUSHION
        # What is smaller still grows by the same factor, and the best polynomial is found without round-off trouble.
        start = max(low / high, SMALLEST_START)
        a, b, c = _best_quintic(start)
        high_next = 2 - (a * start + b * start**3 + c * start**5)
        a, b, c = a / high, b / high**3, c / high**5
        yield a, b, c
        low, high = a * low + b * low**3 + c * low**5, high_next
    # Its error is cubed at every step.
    yield 1.875 / high, -1.25 / high**3, 0.375 / high**5
    yield 1.875, -1.25, 0.375


def _best_quintic(low: float) -> tuple[float, float, float]:
    """The odd quintic closest to 1 on [low, 1], by Remez' exchange: its error has the same size at four points."""
    inner = np.array([(3 * low + 1) / 4, (low + 3) / 4])
    error, previous = math.inf, None
    while previous is None or abs(previous - error) > 1e-14:
        previous = error
        points = np.array([low, *inner, 1.0])
        a, b, c, error = np.linalg.solve(
            np.column_stack([points, points**3, points**5, [1, -1, 1, -1]]), np.ones(4)
        )
        # Where the derivative a + 3 b x^2 + 5 c x^4 vanishes.
        inner = np.sqrt((-3 * b + np.array([-1, 1]) * math.sqrt(9 * b * b - 20 * a * c)) / (10 * c))
    return float(a), float(b), float(c)
