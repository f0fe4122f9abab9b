"""Loads a pre-training checkpoint as a transformers model and processor."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from mir_task.checkpoints.assemble import Recipe, assemble, processor_for
from mir_task.checkpoints.language import (
    add_tokens,
    load_llm,
    load_token_table,
    load_tokenizer,
    set_rows,
)
from mir_task.checkpoints.parts import ALIGN_LEVELS, Parts, check_alignment, sort_tensors
from mir_task.checkpoints.projector import checked_layers
from mir_task.checkpoints.settings import Settings, read_settings
from mir_task.checkpoints.source import Source, recognise
from mir_task.checkpoints.stages import check_level, check_stage
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
    stage = check_stage(source, known, parts, aligned, stage)
    align_level = check_level(align_level, aligned, stage, source.path)
    llm = load_llm(source, parts.language, base_llm, dtype, merge_lora)
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
    # Assembling was imported above, and with it the model type llava_pretrain became known to transformers.
    try:
        model = AutoModelForImageTextToText.from_pretrained(source.path, dtype=dtype).eval()
        processor = AutoProcessor.from_pretrained(source.path)
    except Exception as error:
        raise MIRModelError(f"cannot load {source.path} with transformers: {error}") from error
    if align_level is not None:
        token = ALIGN_TOKENS[check_level(align_level, True, 1, source.path) or 0]
        used = next((name for name in ALIGN_TOKENS if name in str(processor.chat_template)), None)
        if used is None:
            raise MIRModelError(f"{source.path} is no stage 1 of AlignGPT, it takes no align_level")
        processor = copy.copy(processor)
        processor.chat_template = processor.chat_template.replace(used, token)
        processor.tokenizer.chat_template = processor.chat_template
    return Loaded(model, processor)


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
