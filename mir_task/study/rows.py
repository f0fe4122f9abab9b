"""The hidden states that MIR is computed from, kept whole: for asking what a measurement itself does not tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mir_task.adapters import adapter_for
from mir_task.adapters.positions import find_positions
from mir_task.capture import capture_layers
from mir_task.metric import mir_from_features
from mir_task.probe import DEFAULT_MAX_TEXT_TOKENS, Pair, evaluation_mode
from mir_task.result import MIRResult


class PairRows(NamedTuple):
    """Rows of one pair, a tensor a layer: vision [r, d] and text [s, d]."""

    vision: list[Tensor]
    text: list[Tensor]


def hidden_rows(model: Any, processor: Any, pairs: Iterable[Pair]) -> list[PairRows]:
    """The rows that :func:`mir_task.measure` takes its statistics of, pair by pair."""
    adapter = adapter_for(model, processor)
    found = []
    with evaluation_mode(model), torch.inference_mode():
        for pair in pairs:
            inputs = adapter.prepare(pair.image, pair.text, DEFAULT_MAX_TEXT_TOKENS)
            by_id = adapter.vision_mask(inputs)
            with capture_layers(
                adapter.decoder,
                partial(find_positions, adapter, inputs, by_id, None),
                stop=adapter.stop_after_prefill,
            ) as rows:
                adapter.prefill(inputs)
            layers = sorted(rows.vision)
            found.append(
                PairRows([rows.vision[layer] for layer in layers], [rows.text[layer] for layer in layers])
            )
    return found


def mir_of(rows: Sequence[PairRows], match_norms: bool = False) -> MIRResult:
    """MIR of pairs' rows.

    Args:
        rows: of the pairs.
        match_norms: scale each layer's vision rows so that their mean norm is that of its text rows, which leaves of
            a distance what is not a difference in length.
    """
    vision, text = (
        [torch.cat(layer) for layer in zip(*modality, strict=True)] for modality in zip(*rows, strict=True)
    )
    if match_norms:
        vision = [
            v * (t.norm(dim=1).mean() / v.norm(dim=1).mean()) for v, t in zip(vision, text, strict=True)
        ]
    return mir_from_features(vision, text)
