"""Puts several pairs into one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mir_task.adapters.base import Adapter, Inputs


def collate(adapter: Adapter, pairs: Sequence[Inputs]) -> Inputs | None:
    """Make one batch of the inputs of several pairs, each of them padded at its end.

    Only for families that say so (:attr:`Adapter.batched`): their causal attention does not reach forward to the
    padding, and their rows come out [batch, sequence, d].

    Args:
        adapter: the model's adapter.
        pairs: what :meth:`Adapter.prepare` made of each pair.

    Returns:
        The batch, or None where images were prepared to shapes that do not go together.
    """
    if len(pairs) == 1:
        return pairs[0]
    if len({frozenset(inputs) for inputs in pairs}) != 1:
        return None
    lengths = [inputs["input_ids"].shape[1] for inputs in pairs]
    batch = {}
    for name in pairs[0]:
        values = [inputs[name] for inputs in pairs]
        if all(value.shape == (1, length) for value, length in zip(values, lengths, strict=True)):
            fill = _pad_id(adapter) if name == "input_ids" else 0
            values = [_padded(value, max(lengths), fill) for value in values]
        elif values[0].dim() == 5:  # tiles of an image: from its size the model knows how many are real
            values = [_padded(value, max(value.shape[1] for value in values), 0) for value in values]
        if len({value.shape[1:] for value in values}) != 1:
            return None
        batch[name] = torch.cat(values)
    return batch


def flattened(masks: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Join the masks of pairs to those of their batch, whose sequences stand one after another.

    Args:
        masks: vision and text mask of each pair, [sequence] bool.

    Returns:
        Vision and text mask, [batch * longest sequence] bool; padding is in neither.
    """
    longest = max(len(vision) for vision, _ in masks)
    vision, text = (
        torch.cat([_padded(mask[None], longest, False)[0] for mask in modality])
        for modality in zip(*masks, strict=True)
    )
    return vision, text


def _padded(value: Tensor, length: int, fill: Any) -> Tensor:
    """Make the second dimension of a tensor [1, n, ...] longer."""
    missing = value.new_full((1, length - value.shape[1], *value.shape[2:]), fill)
    return torch.cat([value, missing], dim=1)


def _pad_id(adapter: Adapter) -> int:
    tokenizer = adapter.tokenizer
    # Any token will do that is no image: padding is not looked at.
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return 0 if pad is None else int(pad)
