"""MIR between two steps of a training loop, which goes on as if nothing had happened."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image

from mir_task.adapters.sharding import gathered_around, sharding
from mir_task.errors import MIRModelError
from mir_task.measurement.models import WRAPPERS
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.run import measure
from mir_task.measurement.settings import DEFAULT_MAX_TEXT_TOKENS
from mir_task.pair import Pair
from mir_task.result import MIRResult, Protocol

Pairs = Collection[tuple[Image.Image, str] | Pair]


def measure_in_training(
    model: Any,
    processor: Any,
    pairs: Pairs,
    *,
    max_text_tokens: int = DEFAULT_MAX_TEXT_TOKENS,
    protocol: Protocol | None = None,
    uncertainty: bool = True,
    progress: bool = False,
) -> MIRResult:
    """Measure MIR between two steps of a training loop, which then goes on as if nothing had happened.

    The live model is measured, no copy of it, in its weights' dtype whatever autocast is on. Training modes, gradients,
    buffers, hooks and the random states of Python, NumPy, torch and CUDA are afterwards exactly as before.

    Where weights are sharded over processes (FSDP2, DeepSpeed ZeRO-3), all of them must call this with the same pairs,
    which are dealt over them; each gets the same result.

    Args:
        model: the model; wrappers of DistributedDataParallel, torch.compile and peft are looked through.
        processor: its processor.
        pairs: as for :func:`mir_task.measure`; always the same ones, to compare steps.
        max_text_tokens: as for :func:`mir_task.measure`.
        protocol: as for :func:`mir_task.measure`.
        uncertainty: as for :func:`mir_task.measure`.
        progress: show progress bars.

    Returns:
        As :func:`mir_task.measure`.

    Raises:
        MIRModelError: as for :func:`mir_task.measure`.
        MIRDataError: as for :func:`mir_task.measure`.
    """
    inner = unwrap(model)
    with undisturbed(inner), gathered_around(model, inner):
        return measure(
            inner,
            processor,
            pairs,
            max_text_tokens=max_text_tokens,
            protocol=protocol,
            uncertainty=uncertainty,
            progress=progress,
            ranks=Ranks.of_torch() if sharding(inner) else None,
        )


def unwrap(model: Any) -> Any:
    """The transformers model inside wrappers that do not change its function.

    Raises:
        MIRModelError: a prompt-learning method of peft.
    """
    while (
        isinstance(model, WRAPPERS)
        or hasattr(model, "_orig_mod")
        or type(model).__name__ == "DeepSpeedEngine"
    ):
        model = model._orig_mod if hasattr(model, "_orig_mod") else model.module
    config = getattr(model, "active_peft_config", None)
    if config is not None and hasattr(model, "get_base_model"):
        if config.is_prompt_learning:
            raise MIRModelError(
                f"MIR cannot look through peft's {config.peft_type}, which adds virtual tokens"
            )
        model = model.get_base_model()
    return model


@contextmanager
def undisturbed(model: torch.nn.Module) -> Iterator[None]:
    """Restore random states and buffers, and keep autocast off meanwhile."""
    buffers = {module: dict(module._buffers) for module in model.modules()}
    states = random.getstate(), np.random.get_state()
    device = next(model.parameters()).device.type
    cuda = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(cuda), torch.autocast(device, enabled=False):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            for module, own in buffers.items():
                # A buffer that a forward recomputes (some rotary embeddings do) would be of inference mode.
                module._buffers.clear()
                module._buffers.update(own)
