"""Hidden states that MIR is computed from, kept whole: many measurements of one forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from mir_task.adapters import adapter_for
from mir_task.adapters.prefill import PairRows, PreparedPair, prefill
from mir_task.measurement.evaluation import evaluation_mode
from mir_task.measurement.settings import DEFAULT_MAX_TEXT_TOKENS
from mir_task.metric.layers import mir_from_features
from mir_task.pair import Pair
from mir_task.result import MIRResult


def hidden_rows(model: Any, processor: Any, pairs: Iterable[Pair]) -> list[PairRows]:
    """Rows that :func:`mir_task.measure` takes its statistics of, pair by pair."""
    adapter = adapter_for(model, processor)
    found: list[PairRows] = []
    with evaluation_mode(model), torch.inference_mode():
        for number, pair in enumerate(pairs, start=1):
            inputs = adapter.prepare(pair.image, pair.text, DEFAULT_MAX_TEXT_TOKENS)
            found += prefill(adapter, [PreparedPair(str(number), inputs)], check=False)
    return found


def mir_of(rows: Sequence[PairRows]) -> MIRResult:
    """MIR of pairs' rows."""
    layers = sorted(rows[0].vision)
    vision = [torch.cat([pair.vision[layer] for pair in rows]) for layer in layers]
    text = [torch.cat([pair.text[layer] for pair in rows]) for layer in layers]
    return mir_from_features(vision, text)
