"""A whole measurement on a GPU beside bare forward passes and the released script: measured, and counted by shape."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mir_task import measure as measure_mir
from mir_task.adapters import adapter_for
from mir_task.bench.isolated import measure
from mir_task.bench.layer import Pairs, script_accurate, script_fast
from mir_task.bench.llava import Prepared, Shape, prepare
from mir_task.bench.methods import FOR_COMPARISON, METHODS
from mir_task.bench.work import CARDS, GIGA, TERA, Card, Work
from mir_task.measurement.devices import host_memory

ACCURATE_LAYERS = 2
"""Layers that the released script's accurate mode is timed on: its root takes minutes on the host."""


def bare(prepared: Prepared) -> None:
    """Run the forward passes alone, with the preparation of images and texts on the host."""
    adapter = adapter_for(prepared.model, prepared.processor)
    with torch.inference_mode():
        for pair in prepared.pairs:
            adapter.prefill(adapter.prepare(pair.image, pair.text, prepared.max_text_tokens))


def bare_of_inputs(prepared: Prepared) -> None:
    """Run the forward passes alone, of inputs made beforehand."""
    adapter = adapter_for(prepared.model, prepared.processor)
    with torch.inference_mode():
        for inputs in prepared.inputs:
            adapter.prefill(inputs)


def ours(prepared: Prepared, uncertainty: bool) -> dict[str, Any]:
    """Run ``measure``; return the seconds of its parts and its numbers."""
    model, processor, pairs, max_text_tokens, _ = prepared
    result = measure_mir(
        model, processor, pairs, max_text_tokens=max_text_tokens, progress=False, uncertainty=uncertainty
    )
    return {
        "pairs_seconds": result.timings["pairs"],
        "layers_seconds": result.timings["distances"],
        "mir": result.mir,
        "mir_se": result.standard_error,
    }


def script(prepared: Prepared, accurate: bool, layers: int | None) -> dict[str, Any]:
    """Go the released script's way: all hidden states of all pairs to the host, then layer by layer.

    It is spared what it asks of the model and never uses: attention matrices, a cache, a generated token.

    Args:
        prepared: model and pairs.
        accurate: in its accurate mode; else in its default mode.
        layers: how many of the layers are timed; None: all.
    """
    model, processor, pairs, max_text_tokens, _ = prepared
    adapter = adapter_for(model, processor)
    distance: Callable[[Pairs, str], float] = script_accurate if accurate else script_fast
    started = time.perf_counter()
    kept: list[list[tuple[Tensor, Tensor]]] = []
    with torch.inference_mode():
        for pair in pairs:
            inputs = adapter.prepare(pair.image, pair.text, max_text_tokens)
            image = inputs["input_ids"][0].eq(adapter.image_id).nonzero()
            first, last = int(image[0]), int(image[-1])
            states = model(
                **inputs, output_hidden_states=True, use_cache=False, logits_to_keep=1
            ).hidden_states
            kept.append([(state[0, first : last + 1].cpu(), state[0, last + 1 :].cpu()) for state in states])
    seen = time.perf_counter()
    timed = range(1, len(kept[0]))[:layers]
    fids = [distance([states[layer] for states in kept], str(adapter.device)) for layer in timed]
    whole = len(fids) == len(kept[0]) - 1 and sum(fids) > 0
    return {
        "mir": math.log10(sum(fids)) if whole else None,
        "pairs_seconds": seen - started,
        "layers_seconds": time.perf_counter() - seen,
        "layers_timed": len(timed),
    }


TIMED: dict[str, Callable[[Prepared], Any]] = {
    "bare forward passes": bare,
    "bare forward passes, inputs made beforehand": bare_of_inputs,
    "mir-task without uncertainty": partial(ours, uncertainty=False),
    "mir-task": partial(ours, uncertainty=True),
    "released script, default": partial(script, accurate=False, layers=None),
    "released script, accurate": partial(script, accurate=True, layers=ACCURATE_LAYERS),
}


def run(shape: Shape, device: str | None, dtype: str = "bfloat16") -> Iterator[dict[str, Any]]:
    """Yield what was measured, if there is a device to measure on, and what is counted.

    Args:
        shape: of the model and the pairs.
        device: where the model runs; None: nothing is measured.
        dtype: the model's.
    """
    if device is not None:
        yield from measured(shape, device, dtype)
    yield from counted(shape)


def measured(shape: Shape, device: str, dtype: str) -> Iterator[dict[str, Any]]:
    """Yield time and memory of each method, each in a process of its own, one after the other."""
    baseline = None
    for name, method in TIMED.items():
        record = {"what": "measured", "method": name, **_named(shape), "device": device, "dtype": dtype}
        if name.startswith("released script") and (lacking := _lacking(shape, dtype)):
            yield record | {"left_out": lacking}
            continue
        result = measure(prepare, method, shape, device, dtype)
        parts: dict[str, Any] = {"pairs_seconds": None, "layers_seconds": None, "layers_timed": shape.layers}
        parts |= result.value or {}
        factor = shape.layers / parts["layers_timed"]
        # Layers that were not timed are taken to last as long as those that were.
        seconds = result.seconds + (factor - 1) * (parts["layers_seconds"] or 0.0)
        baseline = baseline or seconds
        yield (
            record
            | parts
            | {
                "seconds_measured": result.seconds,
                "layers_extrapolated_by": factor,
                "seconds": seconds,
                "over_bare": seconds / baseline,
                "host_peak_mib": result.host_peak_bytes / 2**20,
                "host_extra_mib": result.extra_bytes / 2**20,
                "card_peak_mib": result.accelerator_peak_bytes / 2**20,
                "card_extra_mib": result.accelerator_bytes / 2**20,
                "card_reserved_mib": result.accelerator_reserved_bytes / 2**20,
            }
        )


def _lacking(shape: Shape, dtype: str) -> str | None:
    """Say what the released script lacks, if the hidden states of all pairs do not fit into the host's memory."""
    needed = (shape.layers + 1) * sum(shape.rows()) * shape.d * getattr(torch, dtype).itemsize
    if needed < host_memory():
        return None
    return f"needs {needed / 2**30:.0f} GiB of host memory, {host_memory() / 2**30:.0f} GiB are free"


def counted(shape: Shape) -> Iterator[dict[str, Any]]:
    """Yield operations and bytes of each step of each method, and the least seconds that cards need for them."""
    for method, steps in METHODS.items():
        for step in steps:
            yield _counted(shape, method, step.name, [step.work(shape)])
        if len(steps) > 1:
            yield _counted(
                shape, method, "all steps, one after the other", [step.work(shape) for step in steps]
            )
    for step in FOR_COMPARISON:
        yield _counted(shape, "for comparison", step.name, [step.work(shape)])


def _counted(shape: Shape, method: str, step: str, works: list[Work]) -> dict[str, Any]:
    total = sum(works, Work())
    return {
        "what": "computed, not measured",
        "method": method,
        "step": step,
        **_named(shape),
        **{f"{precision}_tflop": count / TERA for precision, count in total.flops.items()},
        "host_tflop": total.host_flops / TERA,
        "card_gb": total.card_bytes / GIGA,
        "link_gb": total.link_bytes / GIGA,
        **{f"{name}, least s": _least(card, works) for name, card in CARDS.items()},
    }


def _least(card: Card, works: list[Work]) -> float | None:
    """Seconds at least; None where the host computes too, whose rate is unknown."""
    return None if any(work.host_flops for work in works) else sum(card.seconds(work) for work in works)


def _named(shape: Shape) -> dict[str, Any]:
    return {
        "layers": shape.layers,
        "d": shape.d,
        "pairs": shape.pairs,
        "vision_tokens": shape.vision_tokens,
        "text_tokens": shape.text_tokens,
    }
