"""Runs a model's own code until its decoder has run once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from mir_task.adapters.decoder import Decoder
from mir_task.adapters.swallowed import place_of, swallowed_errors
from mir_task.errors import MIRError, MIRModelError

FAILED = "the model's own input pipeline failed before its first forward pass ended"


def run_to_first_pass(model: Any, decoder: Decoder, run: Callable[[], Any]) -> None:
    """Call a model's own code, which whoever reads the first pass ends by an exception that is no ``Exception``.

    Args:
        model: the torch model, which keeps no keys and values meanwhile (:func:`without_cache`).
        decoder: its decoder.
        run: shows the model a pair.

    Raises:
        MIRModelError: the code failed, or came to its end without such a pass; the message has its error, also one
            that it caught itself.
    """
    with without_cache(model), _passes_of(decoder) as passes, swallowed_errors() as swallowed:
        try:
            run()
        except (MIRError, MemoryError, torch.cuda.OutOfMemoryError):
            raise
        except UnboundLocalError as error:
            # The answer was to be set where an error was caught, and that error is the one that tells.
            caught = swallowed.error
            also = f", after it had caught {_told(caught)}" if caught else ""
            raise MIRModelError(f"{FAILED}: {_told(error)}{also}") from caught or error
        except Exception as error:
            raise MIRModelError(f"{FAILED}: {_told(error)}") from error
        if not passes:
            caught = swallowed.error
            why = f"the error that it caught itself: {_told(caught)}" if caught else "it gave no error"
            raise MIRModelError(f"{FAILED}: it came to its end without one; {why}") from caught


def _told(error: Exception) -> str:
    return f"{error!r}{place_of(error)}"


@contextmanager
def _passes_of(decoder: Decoder) -> Iterator[list[None]]:
    """Collect an item for each pass that reaches its end inside the block."""
    passes: list[None] = []
    handle = decoder.norm.register_forward_hook(lambda *_: passes.append(None))
    try:
        yield passes
    finally:
        handle.remove()


@contextmanager
def without_cache(model: Any) -> Iterator[None]:
    """Switch off ``use_cache`` in the generation config of a model and of the models inside it, then restore it.

    One pass needs no keys and values, and remote code expects them in forms that newer transformers do not give.
    """
    modules = model.modules() if isinstance(model, torch.nn.Module) else [model]
    found = {id(each): each for module in modules if (each := getattr(module, "generation_config", None))}
    configs = [config for config in found.values() if hasattr(config, "use_cache")]
    before = [config.use_cache for config in configs]
    for config in configs:
        config.use_cache = False
    try:
        yield
    finally:
        for config, use_cache in zip(configs, before, strict=True):
            config.use_cache = use_cache
