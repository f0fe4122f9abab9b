"""Rows of pairs at every layer: a forward pass over one pair, or over several of them together."""

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
from mir_task.errors import MIRError, MIRModelError


class PreparedPair(NamedTuple):
    """Model inputs of a pair, and its name for errors."""

    name: str
    inputs: Inputs


class PairRows(NamedTuple):
    """Rows of one pair: ``vision[k]`` [r, d] and ``text[k]`` [s, d] for each layer k."""

    vision: dict[int, Tensor]
    text: dict[int, Tensor]


def prefill(
    adapter: Adapter, pairs: Sequence[PreparedPair], check: bool, wanted: Collection[int] | None = None
) -> list[PairRows]:
    """The rows of pairs, from one forward pass where the family and the shapes of the images allow it.

    Args:
        adapter: of the model.
        pairs: prepared ones.
        check: compare the family's placeholder with where the embeddings come from; one pair at a time then.
        wanted: the layers whose rows are kept; default: all.

    Raises:
        MIRModelError: naming the pair; NaN or Inf in hidden states.
    """
    batch = (
        collate(adapter, [pair.inputs for pair in pairs]) if adapter.batched and not check and pairs else None
    )
    if batch is None:
        return [_alone(adapter, pair, check, wanted) for pair in pairs]
    # In a batch of several no pair's sequence changes its length, so ids alone say what is where.
    masks = [_masks(adapter, pair) for pair in pairs]
    with capture_layers(adapter.decoder, lambda: flattened(masks), wanted=wanted) as rows:
        adapter.prefill(batch)
    vision, text = (
        {
            layer: torch.split(hidden, [int(mask.sum()) for mask in modality])
            for layer, hidden in all_rows.items()
        }
        for all_rows, modality in zip((rows.vision, rows.text), zip(*masks, strict=True), strict=True)
    )
    result = []
    for index, pair in enumerate(pairs):
        own = PairRows(*({k: parts[index] for k, parts in modality.items()} for modality in (vision, text)))
        result.append(_checked(adapter, pair, own))
    return result


def _masks(adapter: Adapter, pair: PreparedPair) -> tuple[Tensor, Tensor]:
    try:
        return find_positions(adapter, pair.inputs, adapter.vision_mask(pair.inputs), None)
    except MIRError as error:
        raise type(error)(f"pair {pair.name}: {error}") from error


def _alone(adapter: Adapter, pair: PreparedPair, check: bool, wanted: Collection[int] | None) -> PairRows:
    try:
        by_id = adapter.vision_mask(pair.inputs)
        by_provenance = record_provenance(adapter.decoder) if check or by_id is None else nullcontext()
        with (
            by_provenance as provenance,
            capture_layers(
                adapter.decoder,
                lambda: find_positions(adapter, pair.inputs, by_id, provenance),
                stop=adapter.stop_after_prefill,
                wanted=wanted,
            ) as rows,
        ):
            adapter.prefill(pair.inputs)
    except MIRError as error:
        raise type(error)(f"pair {pair.name}: {error}") from error
    return _checked(adapter, pair, PairRows(rows.vision, rows.text))


def _checked(adapter: Adapter, pair: PreparedPair, rows: PairRows) -> PairRows:
    for layer in sorted(rows.vision):
        if not all(torch.isfinite(modality[layer]).all() for modality in rows):
            raise MIRModelError(
                f"pair {pair.name}: NaN or Inf in the hidden states of layer {layer} of "
                f"{len(adapter.decoder.layers)} ({adapter.model.dtype}); load the model in bfloat16 or float32"
            )
    return rows
