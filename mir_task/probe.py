"""Measures MIR on a live model: one prefill a pair, statistics a layer, then the distances."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib import metadata
from typing import Any, NamedTuple
from typing import Protocol as TypingProtocol

import torch
from loguru import logger
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from mir_task.adapters import Adapter, adapter_for
from mir_task.adapters.positions import find_positions
from mir_task.adapters.provenance import record_provenance
from mir_task.capture import LayerRows, capture_layers, first_non_finite
from mir_task.errors import MIRDataError, MIRError, MIRModelError
from mir_task.memory import parts_that_fit
from mir_task.metric import LayerMeasurement, measure_layer, summarise, totals
from mir_task.result import MIN_PAIRS, MIRResult, ModelInfo, Protocol
from mir_task.statistics import ModalityStatistics
from mir_task.uncertainty import GROUPS, MIN_GROUPS

DEFAULT_MAX_TEXT_TOKENS = 1024
RECORDED_PACKAGES = ("mir-task", "torch", "transformers", "accelerate", "lmms-eval", "numpy")


class Pair(NamedTuple):
    """One image and one text; the id names the pair in results and errors."""

    image: Image.Image
    text: str
    id: str | None = None


def measure(
    model: Any,
    processor: Any,
    pairs: Iterable[tuple[Image.Image, str] | Pair],
    *,
    max_text_tokens: int = DEFAULT_MAX_TEXT_TOKENS,
    protocol: Protocol | None = None,
    progress: bool = True,
) -> MIRResult:
    """Measure the Modality Integration Rate of a model on image-text pairs.

    Each pair is one forward pass over the processor's chat template with the image as the user's turn and the
    text as the assistant's; nothing is generated. The model keeps its weights, training state and hooks as
    they were.

    Args:
        model: a transformers vision-language model with local weights, on any device, in any dtype.
        processor: its processor (``AutoProcessor``); for models of remote code their tokenizer, or the model's own
            input code as a :class:`mir_task.adapters.Pipeline`.
        pairs: (PIL image, text) tuples, or :class:`Pair` to name them; at least two. Read one at a time, and once
            more if outliers are too many to hold back.
        max_text_tokens: texts are cut to this many tokens; the image never is.
        protocol: where the pairs come from; what is measured here (template, cut, pair ids) is filled in.
        progress: show progress bars.

    Returns:
        ``mir``, ``mir_reference`` and everything of each layer.

    Raises:
        MIRModelError: no adapter for the model, vision that enters by cross-attention, NaN or Inf in hidden
            states (naming layer and pair).
        MIRDataError: fewer than two pairs, an empty text, too few rows for a covariance.
    """
    _check_settings(model, max_text_tokens)
    adapter = adapter_for(model, processor)
    pairs = pairs if isinstance(pairs, Collection) else list(pairs)
    if len(pairs) < MIN_PAIRS:
        raise MIRDataError(f"MIR needs at least {MIN_PAIRS} pairs, got {len(pairs)}")
    total, d = len(adapter.decoder.layers), adapter.hidden_size
    groups = min(GROUPS, len(pairs))
    parts = parts_that_fit(groups, total, d, adapter.device)
    statistics = [
        (ModalityStatistics(groups, parts), ModalityStatistics(groups, parts)) for _ in range(total)
    ]
    collect = partial(_collect, adapter, pairs, max_text_tokens, groups, progress)
    started = time.perf_counter()
    with evaluation_mode(model), torch.inference_mode():
        pair_ids = collect("MIR: pairs", statistics)
        incomplete = [
            tuple(part if part.needs_another_pass else None for part in layer) for layer in statistics
        ]
        again = [part for layer in incomplete for part in layer if part]
        if again:
            logger.info(f"Outliers of {len(again)} of {2 * total} clouds were not held back: second pass")
            for part in again:
                part.restart()
            collect("MIR: pairs again, outliers known", incomplete)
        measured = time.perf_counter()
        layers = _distances(statistics, progress)
        if any(layer.pending for layer in layers):
            logger.info("No room to keep the groups of pairs apart: one more pass for the standard error")
            collect("MIR: pairs again, standard error", [layer.influences for layer in layers])
            layers = [layer.complete() for layer in layers]
    if groups >= MIN_GROUPS and not all(layer.left_out for layer in layers):
        logger.warning(
            "No standard error of MIR: a covariance is singular (fewer rows than dimensions), and there is no room "
            "to keep the groups of pairs apart; measure more pairs"
        )
    settings: dict[str, Any] = {
        "pair_ids": pair_ids,
        "max_text_tokens": max_text_tokens,
        "template": adapter.template,
        "template_sha256": adapter.template_sha256,
    }
    return MIRResult(
        **totals(layers),
        pairs=len(pair_ids),
        groups=groups,
        protocol=(protocol or Protocol()).model_copy(update=settings),
        model=_model_info(adapter),
        versions=_versions(),
        timings={"pairs": measured - started, "distances": time.perf_counter() - measured},
    )


@contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """Put a model into evaluation mode and afterwards every module back into the mode it had."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


def content_id(pair: Pair) -> str:
    """Name of a pair that has none: a hash of its pixels and text."""
    digest = hashlib.sha256(repr((pair.image.size, pair.image.mode)).encode())
    digest.update(pair.image.tobytes())
    digest.update(pair.text.encode())
    return digest.hexdigest()[:16]


def _rows_of(adapter: Adapter, pair: Pair, pair_id: str, max_text_tokens: int, check: bool) -> LayerRows:
    """The rows of one pair at every layer; errors name the pair."""
    if not isinstance(pair.image, Image.Image) or not isinstance(pair.text, str):
        raise MIRDataError(
            f"pair {pair_id}: expected (PIL image, text), got "
            f"({type(pair.image).__name__}, {type(pair.text).__name__})"
        )
    if not pair.text.strip():
        raise MIRDataError(f"pair {pair_id}: the text is empty")
    try:
        inputs = adapter.prepare(pair.image.convert("RGB"), pair.text, max_text_tokens)
        by_id = adapter.vision_mask(inputs)
        # The first pair tells whether the family's placeholder means what we take it to mean.
        by_provenance = record_provenance(adapter.decoder) if check or by_id is None else nullcontext()
        with (
            by_provenance as provenance,
            capture_layers(
                adapter.decoder,
                lambda: find_positions(adapter, inputs, by_id, provenance),
                stop=adapter.stop_after_prefill,
            ) as rows,
        ):
            adapter.prefill(inputs)
    except MIRError as error:
        raise type(error)(f"pair {pair_id}: {error}") from error
    layer = first_non_finite(rows)
    if layer is not None:
        raise MIRModelError(
            f"pair {pair_id}: NaN or Inf in the hidden states of layer {layer} of {len(rows.vision)} "
            f"({adapter.model.dtype}); load the model in bfloat16 or float32"
        )
    return rows


class RowSink(TypingProtocol):
    """What takes the rows of one modality at one layer."""

    def update(self, rows: Tensor, group: int) -> None:
        """Add rows [n, d] of a group of pairs."""


def _collect(
    adapter: Adapter,
    pairs: Collection[tuple[Image.Image, str] | Pair],
    max_text_tokens: int,
    groups: int,
    progress: bool,
    description: str,
    sinks: Sequence[Sequence[RowSink | None]],
) -> list[str]:
    """One pass over the pairs; gives each layer's (vision, text) sinks their rows and returns the pairs' ids."""
    pair_ids: list[str] = []
    for index, pair in enumerate(tqdm(pairs, desc=description, unit="pair", disable=not progress)):
        pair = pair if isinstance(pair, Pair) else Pair(*pair)
        pair_id = pair.id or content_id(pair)
        rows = _rows_of(adapter, pair, pair_id, max_text_tokens, check=index == 0)
        for number, layer in enumerate(sinks, start=1):
            for sink, sink_rows in zip(layer, (rows.vision[number], rows.text[number]), strict=True):
                if sink is not None:
                    # Groups of neighbours, so that rows that are added together mostly are of one group.
                    sink.update(sink_rows, index * groups // len(pairs))
        pair_ids.append(pair_id)
    return pair_ids


def _distances(
    statistics: list[tuple[ModalityStatistics, ModalityStatistics]], progress: bool
) -> list[LayerMeasurement]:
    """The distance of each layer; takes the statistics out of the list, whose memory is needed for what follows."""
    layers = []
    for number in tqdm(range(1, len(statistics) + 1), desc="MIR: layers", unit="layer", disable=not progress):
        vision, text = statistics.pop(0)
        layers.append(
            measure_layer(number, summarise(vision, number, "vision"), summarise(text, number, "text"))
        )
    return layers


def _check_settings(model: Any, max_text_tokens: int) -> None:
    if not isinstance(model, torch.nn.Module):
        raise MIRModelError(
            f"MIR needs a model whose hidden states can be read: expected a torch module with local weights, got "
            f"{type(model).__name__}"
        )
    if max_text_tokens < 1:
        raise MIRDataError(f"max_text_tokens must be at least 1, got {max_text_tokens}")


def _model_info(adapter: Adapter) -> ModelInfo:
    config = adapter.model.config
    return ModelInfo(
        name=config._name_or_path or type(adapter.model).__name__,
        model_type=config.model_type,
        adapter=adapter.family,
        layers=len(adapter.decoder.layers),
        hidden_size=adapter.hidden_size,
        dtype=str(adapter.model.dtype).removeprefix("torch."),
        parameters=sum(parameter.numel() for parameter in adapter.model.parameters()),
        cross_attention=adapter.cross_attention,
    )


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # e.g. a notebook without lmms-eval
            continue
    return versions
