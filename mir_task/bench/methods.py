"""Methods of measuring MIR on a GPU, step by step, with what each step does."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mir_task.bench import cost
from mir_task.bench.llava import Shape
from mir_task.bench.work import ITEMSIZE, Work, elementwise, inverse, product

SCRIPT_STEPS = 5
SQRTM = 28 + 1 / 3
"""Operations of a root by the real Schur method, in units of d^3 (Higham, Functions of Matrices, section 6.2)."""


def script_to_host(shape: Shape) -> Work:
    """Hidden states of all layers and the embeddings, copied to the host pair by pair."""
    return Work(
        link_bytes=ITEMSIZE["bfloat16"] * (shape.layers + 1) * sum(shape.rows()) * shape.d,
        card_bytes=ITEMSIZE["bfloat16"] * (shape.layers + 1) * sum(shape.rows()) * shape.d,
    )


def script_rows(shape: Shape) -> Work:
    """Rows of all layers copied back in float32, joined, scaled, their outliers replaced, and centred."""
    numbers = shape.layers * sum(shape.rows()) * shape.d
    # Written by the copy; joined, scaled, centred, two each; read for norms twice, the median row, the mean.
    return elementwise(11 * numbers, "float32") + Work(link_bytes=4 * numbers)


def script_covariances(shape: Shape) -> Work:
    """Whole products of the centred rows with themselves, float32, of all layers."""
    vision, text = (product(shape.d, rows, shape.d, "float32") for rows in shape.rows())
    return (vision + text) * shape.layers


def script_default(shape: Shape) -> Work:
    """The iteration of the default mode, float32: ten inverses and ten products of each layer, after the first."""
    square = product(shape.d, shape.d, shape.d, "float32")
    step = inverse(shape.d) + square + elementwise(3 * shape.d**2, "float32")
    return (square + step * (2 * SCRIPT_STEPS)) * shape.layers


def script_accurate(shape: Shape) -> Work:
    """The accurate mode: two covariances to the host, where numpy multiplies them and scipy takes the root."""
    d = shape.d
    return Work(link_bytes=2 * 4 * d**2, host_flops=(2 + SQRTM) * d**3) * shape.layers


class Step(NamedTuple):
    """A step of a method."""

    name: str
    work: Callable[[Shape], Work]


FORWARD = Step("forward passes", cost.forward)
ROWS = Step("rows selected, checked, stored, shifted", cost.rows_taken)
SCRIPT = [
    FORWARD,
    Step("hidden states to the host", script_to_host),
    Step("rows back in float32, outliers replaced", script_rows),
    Step("covariances", script_covariances),
]
METHODS: dict[str, list[Step]] = {
    "bare forward passes": [FORWARD],
    "mir-task without uncertainty": [
        FORWARD,
        ROWS,
        Step("covariances", lambda shape: cost.covariances(shape, groups=1)),
        Step("distances", lambda shape: cost.distance(shape, gradients=False)),
        Step("mir_reference", cost.reference),
    ],
    "mir-task": [
        FORWARD,
        ROWS,
        Step("covariances, of groups too", cost.covariances),
        Step("distances and gradients", lambda shape: cost.distance(shape, gradients=True)),
        Step("standard error", cost.standard_error),
        Step("noise floors and bias", cost.floors),
        Step("mir_reference", cost.reference),
    ],
    "released script, default": [*SCRIPT, Step("its iteration", script_default)],
    "released script, accurate": [*SCRIPT, Step("root on the host", script_accurate)],
}
FOR_COMPARISON = [
    Step(
        "distances and gradients, smallest singular value below the accuracy",
        lambda shape: cost.distance(shape, True, cost.lowest_counted(shape.d, cost.EXACT)),
    ),
    Step(
        "noise floors and bias, smallest singular values below the accuracy",
        lambda shape: cost.floors(shape, cost.lowest_counted(shape.d, cost.THREE_DIGITS)),
    ),
    Step("distances and gradients, eigenvectors", cost.eigen_distance),
]
"""The most that the iterations can take, and another way, to judge by."""
