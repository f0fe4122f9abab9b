"""What each step of a measurement on a GPU does, counted from the shape, not measured.

The counts follow the code step by step and are held against torch's own counter by tests. Bytes are counted once for
every time that an operation of the code reads or writes rows, a scatter matrix or a [d, d] matrix; small things are
left out.
"""

from __future__ import annotations

import math

import torch
from torch.utils.flop_counter import FlopCounterMode

from mir_task.accumulate.inliers import FLOAT64_WIDTH
from mir_task.bench.halves import congruence, factors_product, gram, lower_product, triangle
from mir_task.bench.llava import PATCH, Shape
from mir_task.bench.work import (
    ITEMSIZE,
    Precision,
    Work,
    cholesky,
    eigenvectors,
    elementwise,
    product,
    triangular_solve,
)
from mir_task.metric.polar import nuclear_norm
from mir_task.metric.uncertainty import GROUPS

MIN_PRODUCT_ROWS = 1024
SMALLEST = 1e-6
"""Where the polar iteration starts: lower bound of the smallest singular value of L_v^T L_t, relative to its norm.

About that of the rows of :mod:`mir_task.bench.features` at d = 4096, by the trend from 256 to 512."""
EXACT, THREE_DIGITS = 1e-11, 1e-7
"""Accuracies of the polar iteration for the distance and for noise floors, relative to the traces.

It starts where they ask for if the smallest singular value lies below that."""
TRACES = 4.5
"""(tr S_v + tr S_t) / |L_v^T L_t|, by which the length of the iteration follows from its accuracy: that of the rows of
:mod:`mir_task.bench.features` at d = 1024. Between 2 (all variance in one direction) and 2 d^(1/2) (in all alike) there
are three steps."""


def forward(shape: Shape) -> Work:
    """Forward passes: vision tower, projector and decoder, without the LM head; weights are read once a pair."""
    return (projections(shape) + attention(shape) + vision(shape)) * shape.pairs


def projections(shape: Shape) -> Work:
    """All linear layers of the decoder, for one pair."""
    weights = shape.layers * (4 * shape.d**2 + 3 * shape.d * shape.intermediate)
    return Work({"bfloat16": 2 * shape.sequence * weights}, ITEMSIZE["bfloat16"] * weights)


def attention(shape: Shape) -> Work:
    """The decoder's attention for one pair, of which a causal kernel leaves a half out."""
    return Work({"bfloat16": 2 * shape.layers * shape.sequence**2 * shape.d})


def vision(shape: Shape) -> Work:
    """The vision tower, all its layers, and the projector, for one pair."""
    v, positions = shape.vision_d, shape.vision_tokens + 1
    patches = 3 * PATCH**2 * v
    layers = shape.vision_layers * 12 * v**2
    projector = v * shape.d + shape.d**2
    flops = 2 * (shape.vision_tokens * (patches + projector) + positions * layers)
    flops += 4 * shape.vision_layers * positions**2 * v
    return Work({"bfloat16": flops}, ITEMSIZE["bfloat16"] * (patches + layers + projector))


def rows_taken(shape: Shape) -> Work:
    """Rows of all layers on their way from the forward pass to the products: selected, checked, stored, shifted."""
    numbers = shape.layers * sum(shape.rows()) * shape.d
    # Copies: captured, to those that wait, gathered from there; reads: finite or not, norms, conversion.
    kept = elementwise(9 * numbers, "bfloat16")
    # Written by the conversion, shifted in place, summed.
    shifted = elementwise(4 * numbers, "float32")
    return kept + shifted + Work({"float64": 2 * numbers})


def covariances(shape: Shape, groups: int = GROUPS) -> Work:
    """Scatter matrices of all rows in float64, and of each group of pairs in float32 if there are several."""
    one = [_scatter(shape.d, rows, groups) for rows in shape.rows()]
    return (one[0] + one[1]) * shape.layers


def _scatter(d: int, rows: int, groups: int) -> Work:
    narrow = d <= FLOAT64_WIDTH
    exact = rows if narrow else min(rows, 2 * d)
    group: Precision = "float64" if narrow else "float32"
    parts: list[tuple[int, Precision]] = [(exact, "float64"), (rows - exact, "float32")]
    total = Work()
    for count, precision in parts:
        # At least as many products as rows at a time allow; groups that share them make more.
        adds = math.ceil(count / max(d, MIN_PRODUCT_ROWS))
        total += Work({precision: 2 * count * triangle(d)}, ITEMSIZE[precision] * count * d)
        total += elementwise(2 * adds * triangle(d), precision)  # products written, and read
        total += elementwise(2 * adds * triangle(d), "float64")
        if groups > 1:
            total += elementwise(adds * triangle(d), precision) + elementwise(2 * adds * triangle(d), group)
    return total


def distance(shape: Shape, gradients: bool, lowest: float = SMALLEST) -> Work:
    """Distances of all layers by the polar iteration, with the derivatives by both covariances or without.

    Args:
        shape: of the measurement.
        gradients: with the derivatives.
        lowest: where the iteration starts, relative to the norm.
    """
    d = shape.d
    work = _dense(d) * 2 + cholesky(d) * 2 + product(d, d, d, "float64") + _polar(d, lowest, "float64")
    if gradients:
        work += (product(d, d, d, "float64") + triangular_solve(d)) * 2
        work += elementwise(2 * 6 * d**2, "float64")  # made symmetric, and rounded
    return work * shape.layers


def standard_error(shape: Shape) -> Work:
    """Inner products of the gradients with the groups' scatter matrices, of all layers."""
    d, numbers = shape.d, GROUPS * triangle(shape.d)
    one = Work({"float32": 2 * numbers}) + elementwise(4 * numbers, "float32")
    means = product(d, d, 1, "float32") * (GROUPS + 1)
    return (one + means) * (2 * shape.layers)


def floors(shape: Shape, lowest: float = SMALLEST) -> Work:
    """Four distances between halves of the pairs, of all layers, good to three digits; ``lowest`` as before."""
    d = shape.d
    half = elementwise(GROUPS / 2 * triangle(d), "float32") + elementwise(GROUPS * triangle(d), "float64")
    half += _dense(d) + cholesky(d) + elementwise(d**2, "float64") + elementwise(d**2, "float32")
    one = Work({"float32": factors_product(d)}) + _polar(d, lowest, "float32")
    return (half + one) * (4 * shape.layers)


def reference(shape: Shape) -> Work:
    """``mir_reference`` of all layers: the inner product of two covariances, and four of them with vectors."""
    d = shape.d
    return (elementwise(2 * d**2, "float64") + product(d, d, 1, "float64") * 4) * shape.layers


def eigen_distance(shape: Shape) -> Work:
    """Distances and gradients of all layers by eigenvectors, as on the CPU; a GPU iterates."""
    d = shape.d
    work = (
        _dense(d) * 2 + cholesky(d) + Work({"float64": congruence(d)}) + eigenvectors(d) + triangular_solve(d)
    )
    return (work + Work({"float64": lower_product(d), "float32": 2 * gram(d)})) * shape.layers


def lowest_counted(d: int, accuracy: float) -> float:
    """Bound below which singular values may be lost, relative to the matrix's norm, by the accuracy asked for."""
    return accuracy * TRACES / d


def polar_steps(lowest: float, precision: Precision) -> int:
    """Steps of the polar iteration from a bound: counted in this package's own code, on a matrix of one number.

    Args:
        lowest: singular values above it, relative to the norm, come to 1.
        precision: of the matrix.
    """
    dtype = torch.float64 if precision == "float64" else torch.float32
    with FlopCounterMode(display=False) as counter:
        nuclear_norm(torch.ones(1, 1, dtype=dtype), lowest)
    return int(counter.get_total_flops()) // 6


def _polar(d: int, lowest: float, precision: Precision) -> Work:
    # Of each step: two scaled copies and a sum, and the one that is added to the second product.
    step = product(d, d, d, precision) * 3 + elementwise(8 * d**2, precision)
    # The smallest singular value, by the inverse from the identity: both are written, and one is read for its norm.
    bound = triangular_solve(d, precision) * 2 + elementwise(2 * d**2, precision)
    return bound + step * polar_steps(lowest, precision)


def _dense(d: int) -> Work:
    """A whole covariance from its triangle: copied, mirrored, shifted to the mean, divided."""
    return elementwise(triangle(d) + 6 * d**2, "float64")
