"""Reads the rows of pairs at every layer, in a forward pass over one pair or over several together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from mir_task.adapters import Adapter
from mir_task.adapters.base import Inputs
from mir_task.adapters.batch import collate, flattened
from mir_task.adapters.capture import capture_layers
from mir_task.adapters.positions import find_positions
from mir_task.adapters.provenance import record_provenance
from mir_task.errors import MIRModelError, naming


class PreparedPair(NamedTuple):
    """A pair's model inputs, and its name for errors."""

    name: str
    inputs: Inputs


class PairRows(NamedTuple):
    """Rows of one pair: ``vision[k]`` [r, d] and ``text[k]`` [s, d] for each layer k."""

    vision: dict[int, Tensor]
    text: dict[int, Tensor]


def prefill(
    adapter: Adapter, pairs: Sequence[PreparedPair], check: bool, wanted: Collection[int] | None = None
) -> list[PairRows]:
    """Read the rows of pairs, in one forward pass where the family and the shapes of the images allow it.

    Args:
        adapter: the model's adapter.
        pairs: prepared pairs.
        check: compare the family's placeholder with where the embeddings come from; one pair at a time then.
        wanted: layers whose rows are kept; default: all.

    Returns:
        The rows of each pair, in the order of the pairs.

    Raises:
        MIRError: the error of an adapter or of :func:`mir_task.adapters.positions.find_positions`, which names the
            pair.
        MIRModelError: NaN or Inf in hidden states.
    """
    batch = None
    if adapter.batched and not check and pairs:
        batch = collate(adapter, [pair.inputs for pair in pairs])
    if batch is None:
        return [_alone(adapter, pair, check, wanted) for pair in pairs]
    return _together(adapter, pairs, batch, wanted)


def _alone(adapter: Adapter, pair: PreparedPair, check: bool, wanted: Collection[int] | None) -> PairRows:
    """Read one pair's rows."""
    with naming(f"pair {pair.name}"):
        by_id = adapter.vision_mask(pair.inputs)
        recorded = record_provenance(adapter.decoder) if check or by_id is None else nullcontext()
        with (
            recorded as provenance,
            capture_layers(
                adapter.decoder,
                lambda: find_positions(adapter, pair.inputs, by_id, provenance),
                stop=adapter.stop_after_prefill,
                wanted=wanted,
                complete=bool(adapter.sharding),
            ) as rows,
        ):
            adapter.prefill(pair.inputs)
        return _checked(adapter, PairRows(rows.vision, rows.text))


def _together(
    adapter: Adapter, pairs: Sequence[PreparedPair], batch: Inputs, wanted: Collection[int] | None
) -> list[PairRows]:
    """Read the rows of pairs from one forward pass over their batch."""
    # In a batch of several no pair's sequence changes its length, so ids alone say what is where.
    masks = [_masks_by_id(adapter, pair) for pair in pairs]
    complete = bool(adapter.sharding)
    with capture_layers(adapter.decoder, lambda: flattened(masks), wanted=wanted, complete=complete) as rows:
        adapter.prefill(batch)
    vision = _dealt(rows.vision, [mask for mask, _ in masks])
    text = _dealt(rows.text, [mask for _, mask in masks])
    result = []
    for pair, *own in zip(pairs, vision, text, strict=True):
        with naming(f"pair {pair.name}"):
            result.append(_checked(adapter, PairRows(*own)))
    return result


def _masks_by_id(adapter: Adapter, pair: PreparedPair) -> tuple[Tensor, Tensor]:
    with naming(f"pair {pair.name}"):
        return find_positions(adapter, pair.inputs, adapter.vision_mask(pair.inputs), None)


def _dealt(rows: dict[int, Tensor], masks: Sequence[Tensor]) -> list[dict[int, Tensor]]:
    """Deal one modality's rows of a batch [n, d] a layer out to its pairs, whose masks say how many each has."""
    counts = [int(mask.sum()) for mask in masks]
    by_layer = {layer: torch.split(hidden, counts) for layer, hidden in rows.items()}
    return [{layer: shares[index] for layer, shares in by_layer.items()} for index in range(len(masks))]


def _checked(adapter: Adapter, rows: PairRows) -> PairRows:
    """Return the rows if all of them are finite."""
    for layer in sorted(rows.vision):
        if not all(torch.isfinite(modality[layer]).all() for modality in rows):
            raise MIRModelError(
                f"NaN or Inf in the hidden states of layer {layer} of {len(adapter.decoder.layers)} "
                f"({adapter.model.dtype}); load the model in bfloat16 or float32"
            )
    return rows
