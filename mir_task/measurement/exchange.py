"""What the processes of a run tell each other about statistics: one outlier rule, whole layers, whole influences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.outliers import OutlierRule
from mir_task.accumulate.state import State
from mir_task.accumulate.statistics import Settled
from mir_task.errors import MIRModelError
from mir_task.measurement.out_of_memory import out_of_memory
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.resume import LayerStatistics
from mir_task.measurement.settings import MeasurementSettings
from mir_task.measurement.side_by_side import side_by_side
from mir_task.metric.influence import Influence
from mir_task.metric.layers import LayerMeasurement, PendingLayer, measure_layer, summarise

LayerDistances = Mapping[int, LayerMeasurement | PendingLayer]
"""Layers that are measured in this process, by number."""
Masks = Mapping[int, Modalities[list[Tensor]]]
"""For each layer which rows of this process are outliers: for each group [n] bool."""


def agree_on_outliers(ranks: Ranks, statistics: LayerStatistics) -> dict[int, Modalities[OutlierRule | None]]:
    """The outlier rule of each layer, by the norms of all processes; None where there are fewer than two rows."""
    rules = {}
    for layer, modalities in statistics.items():
        gathered = ranks.gather(modalities.map(lambda each: torch.cat(each.norms)))
        rules[layer] = Modalities(
            _rule([each.vision for each in gathered]), _rule([each.text for each in gathered])
        )
    return rules


def _rule(norms: list[Tensor]) -> OutlierRule | None:
    together = torch.cat(norms)
    return OutlierRule.of(together) if len(together) > 1 else None


def measure_layers(
    ranks: Ranks,
    layers: Iterable[tuple[int, Modalities[Settled]]],
    devices: Sequence[torch.device],
    settings: MeasurementSettings,
    progress: Callable[[list[int]], Iterable[int]],
    at_once: int = 1,
) -> dict[int, LayerMeasurement | PendingLayer]:
    """The distance of each layer, from the statistics of all processes, in the process that owns the layer.

    Args:
        ranks: the processes.
        layers: number and statistics of each; given up by the caller, as their memory is needed for what follows.
        devices: where each layer's statistics live.
        settings: of the measurement.
        progress: wraps the layers' numbers in a progress bar.
        at_once: layers whose distances are computed at the same time.
    """
    owned: dict[int, Modalities[Settled]] = {}
    for index, (layer, modalities) in enumerate(layers):
        owner, device = ranks.owner(index), devices[layer - 1]
        vision = merge(ranks, modalities.vision, owner, device, settings)
        text = merge(ranks, modalities.text, owner, device, settings)
        if vision is not None and text is not None:
            owned[layer] = Modalities(vision, text)

    def one(layer: int) -> LayerMeasurement | PendingLayer:
        return measure_layer(layer, summarise(owned.pop(layer), layer), settings.linearise_above)

    with ranks.together(), _memory_named():
        numbers = list(owned)
        return dict(zip(progress(numbers), side_by_side(one, numbers, at_once), strict=True))


def merge(
    ranks: Ranks, own: Settled, owner: int, device: torch.device, settings: MeasurementSettings
) -> Settled | None:
    """One modality's statistics of all processes, at the owner; None in the others."""
    if ranks.size == 1:
        return own
    whole: Settled | None = None
    for state in ranks.collect(own.state(), owner):
        each = Settled.from_state(state, settings.buffers, device)
        if whole is None:
            whole = each
        else:
            whole.merge(each)
    return whole


def share_influences(
    ranks: Ranks, measured: LayerDistances, masks: Masks, devices: Sequence[torch.device]
) -> dict[int, Modalities[Influence]]:
    """For each layer whose standard error is pending in its owner: what is to be given this process's rows."""
    pending = {layer: each for layer, each in measured.items() if isinstance(each, PendingLayer)}
    shares = {}
    for rank, theirs in enumerate(ranks.gather(list(pending))):
        for layer in theirs:
            own = pending[layer].influences if rank == ranks.rank else None
            device = devices[layer - 1]
            vision = ranks.broadcast(own.vision.frame if own else None, rank)
            text = ranks.broadcast(own.text.frame if own else None, rank)
            shares[layer] = Modalities(
                _influence(vision, masks[layer].vision, device), _influence(text, masks[layer].text, device)
            )
    return shares


def _influence(frame: State, outliers: list[Tensor], device: torch.device) -> Influence:
    return Influence(frame["gradient"].to(device), frame["centre"].to(device), outliers)


def collect_influences(
    ranks: Ranks, measured: LayerDistances, shares: Mapping[int, Modalities[Influence]]
) -> None:
    """Give the pending layers at their owners what the processes' rows have added up to."""
    owners = {layer: rank for rank, theirs in enumerate(ranks.gather(list(measured))) for layer in theirs}
    for layer, share in shares.items():
        pending = measured.get(layer)
        wholes = pending.influences if isinstance(pending, PendingLayer) else Modalities(None, None)
        for own, whole in zip(share, wholes, strict=True):
            for sums in ranks.collect(own.sums, owners[layer]):
                assert whole is not None, "only the owner collects"
                whole.merge(sums)


@contextmanager
def _memory_named() -> Iterator[None]:
    """Say what can be done when a distance takes more memory than there is."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise MIRModelError(
            f"out of memory for the distances, with all pairs seen: {error}; set max_memory lower"
        ) from error
