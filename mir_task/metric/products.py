"""Matrix products of which a half is known, or zero: block by block, leaving that half out."""

from __future__ import annotations

import torch
from torch import Tensor

from mir_task.accumulate.triangle import blocks


def congruence(cov: Tensor, lower: Tensor) -> Tensor:
    """L^T S L [d, d], of which only the lower triangle (and diagonal) is right.

    In blocks, of which those that the triangle L makes zero and those above the diagonal are left out: two fifths of
    the work of two whole products. (LAPACK's dsygst does less, but scipy's thread pool and torch's get in each other's
    way: with both at work on two cores, everything small took four times as long.)
    """
    result = torch.zeros_like(cov)
    for columns in blocks(len(cov)):
        right = cov[:, columns.start :] @ lower[columns.start :, columns]
        for rows in blocks(len(cov)):
            if rows.start >= columns.start:
                result[rows, columns] = lower[rows.start :, rows].T @ right[rows.start :]
    return result


def gram(matrix: Tensor) -> Tensor:
    """M M^T [n, n] of a matrix [n, m]."""
    result = matrix.new_empty(len(matrix), len(matrix))
    for rows in blocks(len(matrix)):
        result[rows, : rows.stop] = matrix[rows] @ matrix[: rows.stop].T
        result[: rows.start, rows] = result[rows, : rows.start].T
    return result


def lower_product(lower: Tensor, matrix: Tensor) -> Tensor:
    """L M [d, n] of a lower triangular L [d, d] and a matrix [d, n]."""
    result = torch.empty_like(matrix)
    for rows in blocks(len(lower)):
        result[rows] = lower[rows, : rows.stop] @ matrix[: rows.stop]
    return result


def product_of_factors(lower_a: Tensor, lower_b: Tensor) -> Tensor:
    """L_a^T L_b [d, d] of two lower triangular matrices."""
    result = torch.empty_like(lower_a)
    for rows in blocks(len(lower_a)):
        for columns in blocks(len(lower_a)):
            # Above both diagonals everything is zero.
            start = max(rows.start, columns.start)
            result[rows, columns] = lower_a[start:, rows].T @ lower_b[start:, columns]
    return result
