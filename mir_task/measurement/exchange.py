"""What the processes of a run tell each other about statistics: one outlier rule, whole layers, whole influences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from mir_task.accumulate.outliers import OutlierRule
from mir_task.accumulate.statistics import ModalityStatistics
from mir_task.errors import MIRModelError
from mir_task.measurement.out_of_memory import out_of_memory
from mir_task.measurement.passes import Sinks
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.resume import LayerStatistics
from mir_task.metric.influence import Influence
from mir_task.metric.layers import LayerMeasurement, measure_layer, summarise

MODALITIES = ("vision", "text")
Masks = Mapping[int, tuple[Sequence[Tensor], Sequence[Tensor]]]
"""Which rows of this process are outliers: of vision and text, by layer, a group."""


def agree_on_outliers(ranks: Ranks, statistics: LayerStatistics) -> None:
    """Decide which rows are outliers by the norms of all processes.

    Raises:
        MIRDataError: fewer than two rows, naming layer and modality.
    """
    for modalities in statistics.values():
        gathered = ranks.gather([torch.cat(each.norms) for each in modalities])
        for own, *norms in zip(modalities, *gathered, strict=True):
            together = torch.cat(norms)
            if len(together) > 1:  # if not, the summary says so
                own.decide(OutlierRule.of(together))


def measure_layers(
    ranks: Ranks, statistics: LayerStatistics, devices: Sequence[torch.device], progress: Any
) -> dict[int, LayerMeasurement]:
    """The distance of each layer, from the statistics of all processes, in the one that owns the layer.

    Takes the statistics out of the dictionary, whose memory is needed for what follows.

    Args:
        ranks: the processes.
        statistics: of this one.
        devices: where each layer's statistics live.
        progress: wraps the layers in a progress bar.
    """
    merged: LayerStatistics = {}
    for index, layer in enumerate(list(statistics)):
        vision, text = statistics.pop(layer)
        to = ranks.owner(index), devices[layer - 1]
        whole = merge(ranks, vision, *to), merge(ranks, text, *to)
        if whole[0] is not None and whole[1] is not None:
            merged[layer] = whole[0], whole[1]
    layers = {}
    with ranks.together(), _memory_named():
        for layer in progress(list(merged)):
            summaries = zip(merged.pop(layer), MODALITIES, strict=True)
            layers[layer] = measure_layer(layer, *(summarise(each, layer, name) for each, name in summaries))
    return layers


def merge(
    ranks: Ranks, own: ModalityStatistics, owner: int, device: torch.device
) -> ModalityStatistics | None:
    """One modality's statistics of all processes, at the owner; None in the others."""
    if ranks.size == 1:
        return own
    whole: ModalityStatistics | None = None
    for state in ranks.collect(own.state(), owner):
        each = ModalityStatistics.from_state(state, device)
        if whole is None:
            whole = each
        else:
            whole.merge(each)
    return whole


def share_influences(
    ranks: Ranks, layers: Mapping[int, LayerMeasurement], masks: Masks, devices: Sequence[torch.device]
) -> Sinks:
    """For each layer whose standard error is pending in its owner: what is to be given this process's rows."""
    pending = [layer for layer, measured in layers.items() if measured.pending]
    sinks: Sinks = {}
    for rank, theirs in enumerate(ranks.gather(pending)):
        for layer in theirs:
            own = layers[layer].influences if rank == ranks.rank else (None, None)
            shares = []
            for influence, outliers in zip(own, masks[layer], strict=True):
                frame = ranks.broadcast(influence.frame if influence else None, rank)
                gradient, centre = (frame[name].to(devices[layer - 1]) for name in ("gradient", "centre"))
                shares.append(Influence(gradient, centre, outliers))
            sinks[layer] = shares[0], shares[1]
    return sinks


def collect_influences(ranks: Ranks, layers: Mapping[int, LayerMeasurement], sinks: Sinks) -> None:
    """Give the pending layers at their owners what the processes' rows have added up to."""
    owners = {layer: rank for rank, theirs in enumerate(ranks.gather(list(layers))) for layer in theirs}
    for layer, shares in sinks.items():
        for index, share in enumerate(shares):
            assert isinstance(share, Influence)
            whole = layers[layer].influences[index] if layer in layers else None
            for sums in ranks.collect(share.sums, owners[layer]):
                assert whole is not None
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
