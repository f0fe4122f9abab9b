"""Measures MIR on a live model: one prefill a pair, statistics a layer, then the distances."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from loguru import logger
from PIL import Image

from mir_task.adapters import adapter_for
from mir_task.errors import MIRDataError
from mir_task.measurement.evaluation import evaluation_mode, in_the_weights_dtype
from mir_task.measurement.identity import fingerprint, model_info, versions
from mir_task.measurement.loop import LayerLoop
from mir_task.measurement.models import check_model
from mir_task.measurement.passes import Passes
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.resume import PartialStore
from mir_task.measurement.settings import DEFAULT_MAX_TEXT_TOKENS, MeasurementSettings, OnError
from mir_task.measurement.sharded import check_sharded_run, without_gradients
from mir_task.measurement.sizes import parsed_size
from mir_task.metric.layers import LayerMeasurement, totals, with_reasons
from mir_task.metric.uncertainty import MIN_GROUPS
from mir_task.pair import Pair, by_number
from mir_task.result import MIN_PAIRS, MIRResult, ModelInfo, Protocol, SkippedPair


def measure(
    model: Any,
    processor: Any,
    pairs: Iterable[tuple[Image.Image, str] | Pair],
    *,
    max_text_tokens: int = DEFAULT_MAX_TEXT_TOKENS,
    protocol: Protocol | None = None,
    batch_size: int = 1,
    progress: bool = True,
    max_memory: int | str | None = None,
    resume: str | Path | None = None,
    on_error: OnError = "raise",
    uncertainty: bool = True,
    ranks: Ranks | None = None,
) -> MIRResult:
    """Measure the Modality Integration Rate of a model on image-text pairs.

    Each pair is one forward pass over the processor's chat template with the image as the user's turn and the
    text as the assistant's; nothing is generated. The model keeps its weights, training state and hooks as
    they were.

    Args:
        model: a transformers vision-language model with local weights, on any device, in any dtype.
        processor: its processor (``AutoProcessor``); for models of remote code their tokenizer, or the model's own
            input code as a :class:`mir_task.adapters.Pipeline`.
        pairs: (PIL image, text) tuples, or :class:`Pair` to name them; at least two. Read one at a time, and again
            where statistics of all layers do not fit into memory, or outliers are too many to hold back.
        max_text_tokens: texts are cut to this many tokens; the image never is.
        protocol: where the pairs come from; default: what a set of :mod:`mir_task.data` says. What is measured here
            (template, cut, pair ids) is filled in.
        batch_size: how many pairs share a forward pass, in families that allow it (LLaVA, Qwen-VL from 2 on,
            InternVL -HF) and where their images are prepared to the same shape; the others go one at a time. Padding
            is never counted: numbers differ by the round-off of the model's dtype.
        progress: show progress bars.
        max_memory: bytes that statistics may take on each device, also as ``"12GiB"``; default: half of what is
            free. Layers that do not fit are measured in further passes over the pairs.
        resume: folder in which partial statistics are kept every few minutes, and from which a measurement that was
            cut short continues to the same number bit for bit. Empty again at the end.
        on_error: ``skip``: leave out pairs that cannot be read or do not fit into memory, and list them in the result.
        uncertainty: also estimate the standard error, noise floors and bias, which takes most of the time and memory
            beside the forward passes; the result says where it was left out.
        ranks: the processes that share the pairs, each calling this function with all of them (what is only opened
            when its turn comes is opened in one process); default: this process alone. Where weights are sharded
            (FSDP2, ZeRO-3) these must be all processes that hold them: ``Ranks.of_torch()``.

    Returns:
        ``mir``, ``mir_reference`` and everything of each layer; the same in all processes.

    Raises:
        MIRModelError: no adapter for the model, vision that enters by cross-attention, NaN or Inf in hidden
            states (naming layer and pair), no memory for a pair (naming it and its size), weights that are sharded in
            another way, or over other processes than ``ranks``.
        MIRDataError: fewer than two pairs, a setting that makes no sense, an image or text that cannot be used (naming
            the pair), too few rows for a covariance, ``max_memory`` below what one layer takes, ``resume`` of another
            measurement.
        MIRError: an error in another process, or the loss of it.
    """
    settings = MeasurementSettings(
        max_text_tokens=max_text_tokens,
        batch_size=batch_size,
        max_memory=parsed_size(max_memory, "max_memory"),
        resume=None if resume is None else Path(resume),
        on_error=on_error,
        progress=progress,
        uncertainty=uncertainty,
    )
    return measure_with(settings, model, processor, pairs, protocol, ranks)


def measure_with(
    settings: MeasurementSettings,
    model: Any,
    processor: Any,
    pairs: Iterable[tuple[Image.Image, str] | Pair],
    protocol: Protocol | None = None,
    ranks: Ranks | None = None,
) -> MIRResult:
    """:func:`measure` with its settings as one thing, and with those that only tests and benchmarks change."""
    check_model(model)
    adapter = adapter_for(model, processor)
    protocol = protocol or getattr(pairs, "protocol", None)  # sets of mir_task.data know where they come from
    pairs = by_number(pairs)
    if len(pairs) < MIN_PAIRS:
        raise MIRDataError(f"MIR needs at least {MIN_PAIRS} pairs, got {len(pairs)}")
    ranks = ranks or Ranks()
    if adapter.sharding:
        check_sharded_run(adapter, settings, ranks, len(pairs))
    passes = Passes(adapter, pairs, ranks, settings)
    protocol = (protocol or Protocol()).model_copy(
        update={
            "max_text_tokens": settings.max_text_tokens,
            "template": adapter.template,
            "template_sha256": adapter.template_sha256,
            "orientation": "exif",  # applied by NamedPair.rgb
        }
    )
    info = model_info(adapter)
    store = PartialStore(settings.resume, ranks, settings.saving)
    identity = {
        "pairs": len(pairs),
        "batch_size": settings.batch_size,
        "uncertainty": settings.uncertainty,
        "protocol": protocol.model_dump(mode="json"),
        "model": info.model_dump(mode="json"),
        "weights": fingerprint(model) if store.used else None,
        "buffers": asdict(settings.buffers),
        "version": version("mir-task"),
    }
    loop = LayerLoop(passes, ranks, store, identity)
    with evaluation_mode(model), in_the_weights_dtype(adapter.device), without_gradients(adapter, ranks):
        layers = loop.run()
    store.remove()
    layers = _without_dependent_numbers(layers, passes, ranks)
    if passes.groups >= MIN_GROUPS and not all(layer.left_out for layer in layers):
        logger.warning(
            "No standard error of MIR: a covariance is singular (fewer rows than dimensions), and there is no room "
            "to keep the groups of pairs apart; measure more pairs"
        )
    result = with_reasons(_result(layers, passes, ranks, protocol, info, loop.timings))
    for reason in result.trust if ranks.rank == 0 else ():
        logger.warning(f"MIR of {info.name}, {reason.code}: {reason.sentence}")
    return result


def _without_dependent_numbers(
    layers: list[LayerMeasurement], passes: Passes, ranks: Ranks
) -> list[LayerMeasurement]:
    """The layers, without standard errors and floors where too few of the pairs are different ones.

    These rest on groups of independent pairs: of identical ones they would be zero.
    """
    contents = {number: hashed for part in ranks.gather(passes.contents) for number, hashed in part.items()}
    distinct, groups = len(set(contents.values())), len({passes.group(number) for number in contents})
    if distinct == len(contents):
        return layers
    too_small = ": the standard error takes them for independent and is too small"
    logger.warning(
        f"{len(contents) - distinct} of {len(contents)} pairs have the image and the text of another one"
        f"{too_small if passes.settings.uncertainty else ''}"
    )
    if distinct >= groups:
        return layers
    logger.warning(f"No standard error and no noise floors: {distinct} different pairs in {groups} groups")
    names = ("fid_bias_corrected", "noise_floor_vision", "noise_floor_text")
    return [
        LayerMeasurement.of(layer.result.model_copy(update=dict.fromkeys(names)), left_out=[])
        for layer in layers
    ]


def _result(
    layers: list[LayerMeasurement],
    passes: Passes,
    ranks: Ranks,
    protocol: Protocol,
    info: ModelInfo,
    timings: dict[str, float],
) -> MIRResult:
    """The result of all processes, in each of them."""
    ids = {number: name for part in ranks.gather(passes.ids) for number, name in part.items()}
    skipped = {number: reason for part in ranks.gather(passes.skipped) for number, reason in part.items()}
    return MIRResult(
        **totals(layers),
        pairs=len(ids),
        groups=passes.groups,
        uncertainty=passes.settings.uncertainty,
        batch_size=min(ranks.gather(passes.batch_size)),
        skipped=[SkippedPair(number=number, reason=skipped[number]) for number in sorted(skipped)],
        protocol=protocol.model_copy(update={"pair_ids": [ids[number] for number in sorted(ids)]}),
        model=info,
        versions=versions(),
        timings=timings,
    )
