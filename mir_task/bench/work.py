"""Counts of floating-point operations and bytes, and the seconds that a card needs for them at least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Precision = Literal["bfloat16", "tf32", "float32", "float64"]
ITEMSIZE: dict[Precision, int] = {"bfloat16": 2, "tf32": 4, "float32": 4, "float64": 8}


@dataclass(frozen=True)
class Work:
    """What a step does. A multiplication and an addition are two operations."""

    flops: Mapping[Precision, float] = field(default_factory=dict)
    """Floating-point operations on the card, by the precision of the products."""
    card_bytes: float = 0.0
    """Read from and written to the card's memory."""
    link_bytes: float = 0.0
    """Copied between host and card."""
    host_flops: float = 0.0
    """Floating-point operations on the host."""

    def __add__(self, other: Work) -> Work:
        return Work(
            Counter(self.flops) + Counter(other.flops),
            self.card_bytes + other.card_bytes,
            self.link_bytes + other.link_bytes,
            self.host_flops + other.host_flops,
        )

    def __mul__(self, times: float) -> Work:
        return Work(
            {precision: times * count for precision, count in self.flops.items()},
            times * self.card_bytes,
            times * self.link_bytes,
            times * self.host_flops,
        )


@dataclass(frozen=True)
class Card:
    """Peak rates of a card, from its datasheet."""

    flops: Mapping[Precision, float]
    """Operations a second, without sparsity; float64 on tensor cores where there are any for it."""
    memory: float
    """Bytes a second."""
    link: float
    """Bytes a second between host and card, in one direction."""

    def seconds(self, work: Work) -> float:
        """Seconds that card and link need at least: of arithmetic, memory and link whatever takes longest."""
        arithmetic = sum(count / self.flops[precision] for precision, count in work.flops.items())
        return max(arithmetic, work.card_bytes / self.memory, work.link_bytes / self.link)


TERA, GIGA = 1e12, 1e9
CARDS = {
    "H100 SXM": Card(
        {"bfloat16": 989 * TERA, "tf32": 494 * TERA, "float32": 67 * TERA, "float64": 67 * TERA},
        memory=3.35 * TERA,
        link=64 * GIGA,
    ),
    "A100 SXM": Card(
        {"bfloat16": 312 * TERA, "tf32": 156 * TERA, "float32": 19.5 * TERA, "float64": 19.5 * TERA},
        memory=2.0 * TERA,
        link=32 * GIGA,
    ),
    "RTX 4090": Card(
        {"bfloat16": 165 * TERA, "tf32": 82.6 * TERA, "float32": 82.6 * TERA, "float64": 1.29 * TERA},
        memory=1.01 * TERA,
        link=32 * GIGA,
    ),
}
"""The last stands for cards without fast float64."""


def product(m: int, k: int, n: int, precision: Precision) -> Work:
    """Work of a product [m, k] x [k, n], each matrix read or written once."""
    return Work({precision: 2 * m * k * n}, ITEMSIZE[precision] * (m * k + k * n + m * n))


def elementwise(numbers: float, precision: Precision) -> Work:
    """Work of reading or writing so many numbers, whose arithmetic counts for nothing."""
    return Work(card_bytes=ITEMSIZE[precision] * numbers)


def cholesky(d: int) -> Work:
    """Work of a Cholesky factor [d, d] in float64: a third of d^3, one triangle read and written."""
    return Work({"float64": d**3 / 3}, 8 * d**2)


def triangular_solve(d: int, precision: Precision = "float64") -> Work:
    """Work of d right-hand sides of a triangular system [d, d]: d^3."""
    return Work({precision: d**3}, ITEMSIZE[precision] * 2.5 * d**2)


def inverse(d: int) -> Work:
    """Work of a float32 inverse [d, d] by LU factors: two thirds of d^3, and four thirds from the factors."""
    return Work({"float32": 2 * d**3}, 4 * 4 * d**2)


def eigenvectors(d: int) -> Work:
    """Work of a float64 symmetric eigendecomposition [d, d] with vectors (Golub and Van Loan, section 8.3): 9 d^3.

    Half of the reduction to a tridiagonal matrix are products with vectors, for each of which the rest of the matrix is
    read again: 4/3 d^3 bytes.
    """
    return Work({"float64": 9 * d**3}, 4 / 3 * d**3)
