"""A measurement over sharded weights: what it cannot do, and how its forward passes are run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

from mir_task.adapters import Adapter
from mir_task.adapters.sharding import left_sharded
from mir_task.errors import MIRDataError, MIRModelError
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.settings import MeasurementSettings


def check_sharded_run(adapter: Adapter, settings: MeasurementSettings, ranks: Ranks, pairs: int) -> None:
    """Refuse what would leave one process waiting for others.

    Args:
        adapter: of a model whose weights are sharded.
        settings: of the measurement.
        ranks: the processes that share the pairs.
        pairs: how many pairs there are.

    Raises:
        MIRModelError: other processes hold parts of the weights, or the model's own pipeline runs it.
        MIRDataError: a setting by which processes would run the model unequally often, or fewer pairs than processes.
    """
    holders = dist.get_world_size() if dist.is_initialized() else 1
    if ranks.size != holders:
        raise MIRModelError(
            f"the weights are sharded over {holders} processes ({adapter.sharding}), of which {ranks.size} take part; "
            "call measure in all of them with ranks=Ranks.of_torch(), or measure a saved checkpoint"
        )
    if adapter.stop_after_prefill:
        raise MIRModelError(
            f"the weights are sharded over processes ({adapter.sharding}), and the model's own input pipeline, which "
            "is ended early, runs it; measure a saved checkpoint"
        )
    for name, usual in (("batch_size", 1), ("on_error", "raise"), ("resume", None)):
        if getattr(settings, name) != usual:
            raise MIRDataError(
                f"{name} must be {usual!r} where weights are sharded over processes, got {getattr(settings, name)!r}: "
                "all of them have to run the model equally often"
            )
    if pairs < ranks.size:
        raise MIRDataError(
            f"{pairs} pairs for {ranks.size} processes with sharded weights: each needs one at least"
        )


@contextmanager
def without_gradients(adapter: Adapter, ranks: Ranks) -> Iterator[None]:
    """Run forward passes without gradients; all processes in step, and sharded again at the end, where weights are."""
    if not adapter.sharding:
        with torch.inference_mode():
            yield
        return
    # Weights gathered in inference mode could not be trained afterwards.
    with torch.no_grad(), left_sharded(adapter.model), ranks.in_step(adapter.model):
        yield
