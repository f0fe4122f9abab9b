"""How many steps the polar iteration needs, and what products in TF32 would make of its result; no GPU needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from mir_task.bench.cost import EXACT, THREE_DIGITS
from mir_task.bench.features import hidden_states
from mir_task.metric.polar import least_singular_value, nuclear_norm

VISION, TEXT = 14, 20
"""Rows of either modality, in units of d: as many as 100 pairs have at d = 4096."""


class InTF32(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Rounds the inputs of float32 products to TF32 (10 bits of mantissa), as tensor cores do; sums stay float32."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default):
            args = (*args[:-2], *map(rounded, args[-2:]))
        return func(*args, **(kwargs or {}))


def rounded(matrix: Tensor) -> Tensor:
    """Round float32 to the nearest number of 10 bits of mantissa."""
    bits = (matrix.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF
    return bits.view(torch.float32)


def run(sizes: Sequence[int] = (256, 512)) -> Iterator[dict[str, Any]]:
    """Yield steps and error of the sum of singular values, relative to the traces, by where the iteration starts."""
    for d in sizes:
        vision, text = hidden_states(VISION * d, d, seed=1), hidden_states(TEXT * d, d, seed=2)
        yield from _between("vision and text", vision, text)
        yield from _between("halves of vision", vision[::2], vision[1::2])


def _between(what: str, a: Tensor, b: Tensor) -> Iterator[dict[str, Any]]:
    covariances = a.T.cov(), b.T.cov()
    traces = float(sum(each.trace() for each in covariances))
    lower_a, lower_b = map(torch.linalg.cholesky, covariances)
    product = lower_a.T @ lower_b
    values = torch.linalg.svdvals(product)
    for start, accuracy, known in (
        ("accuracy of the distance", EXACT * traces, False),
        ("accuracy of noise floors", THREE_DIGITS * traces, False),
        ("norm of the inverse", EXACT * traces, True),
    ):
        for precision in ("float64", "float32", "tf32"):
            dtype = torch.float64 if precision == "float64" else torch.float32
            matrix = product.to(dtype)
            smallest = least_singular_value(lower_a.to(dtype), lower_b.to(dtype)) if known else 0.0
            with FlopCounterMode(display=False) as counter:
                found = nuclear_norm(matrix, accuracy, smallest)
            if precision == "tf32":
                with InTF32():  # type: ignore[no-untyped-call]
                    found = nuclear_norm(matrix, accuracy, smallest)
            yield {
                "between": what,
                "d": len(product),
                "start": start,
                "products": precision,
                "steps": counter.get_total_flops() // (6 * len(product) ** 3),
                "error": abs(found - float(values.sum())) / traces,
                "covariance_term": (traces - 2 * float(values.sum())) / traces,
                "smallest": float(values[-1] / torch.linalg.matrix_norm(product)),
            }
