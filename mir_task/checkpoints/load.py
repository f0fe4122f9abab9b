"""Loads a pre-training checkpoint as a transformers model and processor."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from mir_task.checkpoints import modeling
from mir_task.checkpoints.assemble import Recipe, assemble, processor_for
from mir_task.checkpoints.language import (
    add_tokens,
    load_base,
    load_token_table,
    load_tokenizer,
    load_whole,
    set_rows,
    with_lora,
)
from mir_task.checkpoints.parts import ALIGN_LEVELS, Parts, check_alignment, sort_tensors
from mir_task.checkpoints.projector import checked_layers
from mir_task.checkpoints.settings import Settings, read_settings
from mir_task.checkpoints.source import Source, recognise
from mir_task.checkpoints.templates import IM_END, IM_PATCH, IM_START, IMAGE, template
from mir_task.checkpoints.vision import load_tower, replace_weights, select_strategy
from mir_task.errors import MIRModelError

ALIGN_TOKENS = [f"<align_{level}>" for level in range(ALIGN_LEVELS)]
GATE_TOKEN = "<align>"


@dataclass(frozen=True)
class Loaded:
    """A checkpoint ready to be measured."""

    model: Any
    """A transformers model, in evaluation mode, on the CPU."""
    processor: Any
    variants: dict[str, Any] = field(default_factory=dict)
    """Processors by name where the checkpoint is a family of models: AlignGPT's stage 1, one for each alignment level
    that was asked for."""


def load(
    pretrained: str | Path,
    base_llm: str | None = None,
    vision_tower: str | None = None,
    *,
    tokenizer: str | None = None,
    align_level: int | None = None,
    stage: int | None = None,
    conversation: str | None = None,
    merge_lora: bool = True,
    dtype: torch.dtype | str = "auto",
    **settings: Any,
) -> Loaded:
    """Load a checkpoint of pre-training (or of any stage) in the original layout of LLaVA or AlignGPT.

    Args:
        pretrained: a folder, or the projector's file. Also a checkpoint that :func:`convert` wrote.
        base_llm: the LLM that a projector or LoRA adapters were trained on.
        vision_tower: CLIP or SigLIP; wins over the checkpoint's ``mm_vision_tower``.
        tokenizer: where from; default: base_llm, or the folder of a full checkpoint.
        align_level: 0-7, for AlignGPT's stage 1; None: all of them, as :attr:`Loaded.variants`.
        stage: 1 or 2, to say what the checkpoint is of; checked where the files tell it.
        conversation: ``plain``, ``vicuna_v1``, ``own`` or a Jinja file. Default: plain in stage 1, after that the
            tokenizer's own template or else vicuna_v1.
        merge_lora: add LoRA adapters to the weights instead of keeping them beside.
        dtype: of the whole model; ``auto``: the LLM's.
        **settings: entries of the checkpoint's ``config.json`` under their names there, which win over it.

    Raises:
        MIRModelError: naming the file, key and both shapes, or the setting, that does not fit.
    """
    source = recognise(pretrained)
    if isinstance(dtype, str) and dtype != "auto":
        dtype = getattr(torch, dtype)
    if source.kind == "transformers":
        given = {"base_llm": base_llm, "vision_tower": vision_tower, "tokenizer": tokenizer, **settings}
        return _load_converted(
            source, align_level, dtype, {key for key, value in given.items() if value is not None}
        )
    explicit = {**settings, "mm_vision_tower": vision_tower}
    known = read_settings(source.config, explicit, source.path)
    parts = sort_tensors(source)
    aligned = known.is_aligngpt or bool(parts.indicators or parts.gate)
    stage = _stage(source, known, parts, aligned, stage)
    align_level = _level(align_level, aligned, stage, source.path)
    llm = _language_model(source, parts, base_llm, dtype, merge_lora)
    tokens = load_tokenizer(tokenizer or base_llm or source.path)
    _new_tokens(llm, tokens, known, parts, source)

    if known.mm_vision_tower is None:
        raise MIRModelError(f"{source.path}: no config names its vision tower; name it with vision_tower=…")
    tower: Any = load_tower(known.mm_vision_tower, llm.dtype)
    if parts.tower:
        replace_weights(tower, parts.tower, source.file)
    widths = tower.config.hidden_size, llm.config.get_text_config().hidden_size
    if known.mm_hidden_size not in (None, widths[0]):
        raise MIRModelError(
            f"{source.path}: its config says mm_hidden_size {known.mm_hidden_size}, the vision tower "
            f"{known.mm_vision_tower} gives features of width {widths[0]}; name the right one with vision_tower=…"
        )
    recipe = Recipe(
        name=str(pretrained),
        llm=llm,
        tokenizer=tokens,
        tower=tower,
        tower_name=known.mm_vision_tower,
        layers=checked_layers(
            parts.projector,
            known.mm_projector_type,
            widths,
            source.file,
            (known.mm_vision_tower, base_llm or "its LLM"),
        ),
        strategy=select_strategy(tower, known),
        settings=known,
    )
    if aligned:
        check_alignment(parts, widths[1], recipe.image_rows, source.file)
        add_tokens(llm, tokens, [GATE_TOKEN] if parts.gate else ALIGN_TOKENS)
        if not parts.gate:
            # A constant vector at a position of its own is a token: stage 1 needs nothing that LLaVA has not.
            (rows,) = parts.indicators.values()
            set_rows(llm, tokens.convert_tokens_to_ids(ALIGN_TOKENS), rows)
    model = assemble(recipe, parts, GATE_TOKEN if parts.gate else None)

    own = tokens.chat_template
    conversation = conversation or ("plain" if stage == 1 else "own" if own and not aligned else "vicuna_v1")
    if aligned and (conversation == "own" or not _adds_bos(tokens)):
        raise MIRModelError(
            "AlignGPT puts its align vector after the BOS token: it needs a tokenizer that adds one, and "
            "conversation=plain or vicuna_v1"
        )

    def processor(align_token: str | None) -> Any:
        text = template(conversation, own, known.mm_use_im_start_end, align_token)
        return processor_for(recipe, text)

    if not aligned:
        return Loaded(model, processor(None))
    if parts.gate:
        return Loaded(model, processor(GATE_TOKEN))
    levels = range(ALIGN_LEVELS) if align_level is None else [align_level]
    by_level = {f"align_level_{level}": processor(ALIGN_TOKENS[level]) for level in levels}
    # What a family generates text with, where somebody asks it to: its best-aligned member.
    return Loaded(model, list(by_level.values())[-1], by_level)


def _load_converted(source: Source, align_level: int | None, dtype: Any, given: set[str]) -> Loaded:
    if given:
        raise MIRModelError(
            f"{source.path} is a transformers checkpoint, which holds everything: leave out {', '.join(sorted(given))}"
        )
    # Imported above: only then does transformers know a model type of ours.
    assert modeling.LlavaPretrainConfig.model_type
    try:
        model = AutoModelForImageTextToText.from_pretrained(source.path, dtype=dtype).eval()
        processor = AutoProcessor.from_pretrained(source.path)
    except Exception as error:
        raise MIRModelError(f"cannot load {source.path} with transformers: {error}") from error
    if align_level is not None:
        token = ALIGN_TOKENS[_level(align_level, True, 1, source.path) or 0]
        used = next((name for name in ALIGN_TOKENS if name in str(processor.chat_template)), None)
        if used is None:
            raise MIRModelError(f"{source.path} is no stage 1 of AlignGPT, it takes no align_level")
        processor = copy.copy(processor)
        processor.chat_template = processor.chat_template.replace(used, token)
        processor.tokenizer.chat_template = processor.chat_template
    return Loaded(model, processor)


def _stage(source: Source, settings: Settings, parts: Parts, aligned: bool, stage: int | None) -> int:
    """The stage, from the files where they tell and from the user where they do not."""
    if stage not in (None, 1, 2):
        raise MIRModelError(f"stage must be 1 or 2, got {stage!r}")
    if aligned and not parts.indicators:
        raise MIRModelError(
            f"{source.file} is of AlignGPT but holds no align_indicators.indicator_embs: an intermediate "
            "checkpoint, whose training code saved the projector alone; use the final one (mm_projector_align.bin)"
        )
    if parts.gate and source.kind == "projector":
        raise MIRModelError(
            f"{source.file} holds a gate (stage 2) but no LLM; name the folder of the full checkpoint"
        )
    told = None
    if source.kind == "projector":
        told, why = 1, "it holds a projector alone; stage 2 has an LLM of its own"
    elif aligned:
        told = 2 if parts.gate else 1
        why = f"it has {'a' if parts.gate else 'no'} gated_weight_layer, which only stage 2 has"
    if told and stage not in (None, told):
        raise MIRModelError(f"{source.path} is of stage {told}, not {stage}: {why}")
    return told or stage or (1 if settings.tune_mm_mlp_adapter else 2)


def _level(level: Any, aligned: bool, stage: int, path: Path) -> int | None:
    if level is None:
        return None
    if not aligned:
        raise MIRModelError(f"{path} is no AlignGPT checkpoint, it takes no align_level (got {level!r})")
    if stage == 2:
        raise MIRModelError(
            f"{path} is of AlignGPT's stage 2, which computes the align vector from image and text; "
            "leave out align_level"
        )
    if isinstance(level, bool) or level not in range(ALIGN_LEVELS):
        raise MIRModelError(f"align_level must be a whole number from 0 to {ALIGN_LEVELS - 1}, got {level!r}")
    return int(level)


def _language_model(source: Source, parts: Parts, base_llm: str | None, dtype: Any, merge_lora: bool) -> Any:
    if source.kind == "full":
        if base_llm is not None:
            raise MIRModelError(
                f"{source.path} holds a whole model ({source.file.name}), a stage 2, or a stage 1 with the LLM "
                "unlocked: its own LLM is used, leave out base_llm (a tokenizer can be named with tokenizer=…)"
            )
        return load_whole(source, parts.language, dtype)
    if base_llm is None:
        held = "LoRA adapters" if source.kind == "lora" else "a projector alone (stage 1)"
        raise MIRModelError(
            f"{source.path} holds {held}, no LLM: name the one it was trained on with base_llm=…"
        )
    llm = load_base(base_llm, dtype)
    return with_lora(llm, source.path, merge_lora) if source.kind == "lora" else llm


def _new_tokens(llm: Any, tokenizer: Any, settings: Settings, parts: Parts, source: Source) -> None:
    """The tokens that the original code adds, in its order, with trained rows; then the image placeholder."""
    added = [IM_PATCH] if settings.mm_use_im_patch_token else []
    added += [IM_START, IM_END] if settings.mm_use_im_start_end else []
    table = parts.language.get("model.embed_tokens.weight") if source.kind != "full" else None
    if settings.mm_use_im_start_end and (parts.indicators or (source.kind == "projector" and table is None)):
        raise MIRModelError(
            f"{source.file}: mm_use_im_start_end is set, "
            + (
                "which AlignGPT does not have"
                if parts.indicators
                else "but there is no key embed_tokens.weight"
            )
        )
    if table is not None and not settings.mm_use_im_start_end:
        raise MIRModelError(
            f"{source.file} holds embed_tokens.weight {list(table.shape)}, which belongs to mm_use_im_start_end; the "
            "config does not set it: give mm_use_im_start_end=True"
        )
    if added:
        add_tokens(llm, tokenizer, added)
    if table is not None:
        load_token_table(llm, tokenizer, table, added, source.file)
    add_tokens(llm, tokenizer, [IMAGE])


def _adds_bos(tokenizer: Any) -> bool:
    return bool(tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id)
