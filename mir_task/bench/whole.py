"""Benchmarks (b)-(d): ``measure`` on random LLaVAs of the demo's kind, against bare forward passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest.mock import patch

import torch
from transformers import LlamaConfig, LlavaForConditionalGeneration

from mir_task import Pair
from mir_task import measure as measure_mir
from mir_task.adapters import adapter_for
from mir_task.adapters.positions import find_positions
from mir_task.bench.isolated import measure
from mir_task.bench.layer import script_accurate
from mir_task.data import builtin_pairs
from mir_task.demo.checkpoint import build_model, build_processor
from mir_task.measurement import loop

MAX_TEXT_TOKENS = 1024
IMAGE_SIZE = 336
"""LLaVA-1.5's: 576 vision tokens."""
Arguments = tuple[Any, Any, Sequence[Pair]]
"""Model, processor and pairs, as ``measure`` takes them."""
OVERHEAD: dict[str, Any] = {"pairs": 100, "layers": 8, "d": 1024}
"""The largest that all methods run in minutes on two cores."""
DEEP: dict[str, Any] = {"layers": 30, "d": 576, "image_size": 112}
"""SmolLM2-135M's depth and width, with 64 vision tokens."""
DEEP_PAIRS = (12, 60)


def prepare(
    pairs: int, layers: int, d: int, device: str = "cpu", dtype: str = "float32", image_size: int = IMAGE_SIZE
) -> Arguments:
    """Build a random LLaVA with a Llama of this depth and width, its processor, and the built-in pairs, repeated."""
    processor = build_processor()
    processor.image_processor.size = {"shortest_edge": image_size}
    processor.image_processor.crop_size = {"height": image_size, "width": image_size}
    config = build_model(processor.tokenizer).config
    text = config.text_config.to_dict() | {
        "hidden_size": d,
        "intermediate_size": 8 * d // 3,
        "num_hidden_layers": layers,
        "num_attention_heads": max(d // 64, 1),
        "num_key_value_heads": max(d // 64, 1),
        "head_dim": 64,
    }
    config.text_config = LlamaConfig(**text)
    config.vision_config.image_size = image_size
    torch.manual_seed(0)
    with torch.device(device):
        model = LlavaForConditionalGeneration._from_config(config, dtype=getattr(torch, dtype))
    builtin = builtin_pairs()
    return model.eval(), processor, builtin.subset(number % len(builtin) for number in range(pairs))


def bare(arguments: Arguments) -> None:
    """Run the forward passes alone, with the preparation of images and texts."""
    model, processor, pairs = arguments
    adapter = adapter_for(model, processor)
    with torch.inference_mode():
        for pair in pairs:
            adapter.prefill(adapter.prepare(pair.image, pair.text, MAX_TEXT_TOKENS))


def ours(arguments: Arguments) -> float:
    """Run ``measure``."""
    return measure_mir(*arguments, max_text_tokens=MAX_TEXT_TOKENS, progress=False).mir


def layer_by_layer(arguments: Arguments) -> float:
    """Run ``measure`` without layers side by side: what tells functions' time apart sees one thread alone."""
    with patch.object(loop, "layers_at_once", return_value=1):
        return ours(arguments)


def script(arguments: Arguments) -> float:
    """Go the released script's way: keep all hidden states of all pairs, then layer by layer, accurate mode."""
    model, processor, pairs = arguments
    adapter = adapter_for(model, processor)
    kept = []
    with torch.inference_mode():
        for pair in pairs:
            prepared = adapter.prepare(pair.image, pair.text, MAX_TEXT_TOKENS)
            states = model(**prepared, output_hidden_states=True).hidden_states[1:]
            vision, text = find_positions(adapter, prepared, adapter.vision_mask(prepared), None)
            kept.append([(state[0, vision], state[0, text]) for state in states])
    return sum(script_accurate(list(rows)) for rows in zip(*kept, strict=True))


def overhead() -> Iterator[dict[str, Any]]:
    """Yield (b): bare forward passes, ``measure`` and the script's way on the same pairs."""
    methods: dict[str, Callable[[Arguments], Any]] = {
        "bare forward passes": bare,
        "mir-task": ours,
        "released script's way, accurate": script,
    }
    yield from _over_bare(methods, **OVERHEAD)


def deep() -> Iterator[dict[str, Any]]:
    """Yield (b) for many narrow layers and few pairs, where distances weigh most."""
    methods: dict[str, Callable[[Arguments], Any]] = {"bare forward passes": bare, "mir-task": ours}
    for pairs in DEEP_PAIRS:
        yield from _over_bare(methods, **DEEP, pairs=pairs)


def memory(counts: Sequence[int] = (50, 100, 200, 400), repeats: int = 3) -> Iterator[dict[str, Any]]:
    """Yield (c): peak host memory against the number of pairs; d is so wide that statistics outweigh the rest.

    Each count runs in several processes, since what the heap keeps of activations differs by a few per cent.
    """
    for _ in range(repeats):
        for count in counts:
            yield _record("mir-task", ours, count, layers=2, d=1024)


def scaling(
    depths: Sequence[int] = (2, 4, 8), widths: Sequence[int] = (256, 512, 1024)
) -> Iterator[dict[str, Any]]:
    """Yield (d): cost against layers and hidden size."""
    for layers in depths:
        yield _record("mir-task", ours, 20, layers, 256)
    for d in widths[1:]:
        yield _record("mir-task", ours, 20, depths[0], d)


def _over_bare(methods: dict[str, Callable[[Arguments], Any]], **settings: Any) -> Iterator[dict[str, Any]]:
    baseline = None
    for name, method in methods.items():
        record = _record(name, method, **settings)
        baseline = baseline or record["seconds"]
        yield record | {"over_bare": record["seconds"] / baseline}


def _record(
    name: str,
    method: Callable[[Arguments], Any],
    pairs: int,
    layers: int,
    d: int,
    device: str = "cpu",
    dtype: str = "float32",
    image_size: int = IMAGE_SIZE,
) -> dict[str, Any]:
    measured = measure(prepare, method, pairs, layers, d, device, dtype, image_size)
    return {
        "method": name,
        "pairs": pairs,
        "layers": layers,
        "d": d,
        "device": device,
        "dtype": dtype,
        "seconds": measured.seconds,
        "extra_mib": measured.extra_bytes / 2**20,
        "accelerator_extra_mib": measured.accelerator_bytes / 2**20,
    }
