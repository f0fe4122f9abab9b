"""Loads a pre-training checkpoint as a transformers model and processor."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mir_task.checkpoints import aligngpt
from mir_task.checkpoints.assemble import Components, assemble
from mir_task.checkpoints.components import sort_tensors
from mir_task.checkpoints.converted import load_converted
from mir_task.checkpoints.language import load_llm, load_tokenizer
from mir_task.checkpoints.processors import make_processors
from mir_task.checkpoints.projector import End, checked_layers
from mir_task.checkpoints.settings import read_settings
from mir_task.checkpoints.source import recognise
from mir_task.checkpoints.stages import check_stage
from mir_task.checkpoints.tokens import add_original_tokens
from mir_task.checkpoints.vision import load_tower, select_strategy


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
        tokenizer: where to load it from; default: base_llm, or the folder of a full checkpoint.
        align_level: 0-7, for AlignGPT's stage 1; None: all of them, as :attr:`Loaded.variants`.
        stage: 1 or 2, the checkpoint's; checked where the files tell it.
        conversation: ``plain``, ``vicuna_v1``, ``own`` or a Jinja file. Default: plain in stage 1, after that the
            tokenizer's own template or else vicuna_v1.
        merge_lora: add LoRA adapters to the weights instead of keeping them beside.
        dtype: of the whole model; ``auto``: the LLM's.
        **settings: entries of the checkpoint's ``config.json`` under their names there, which win over it.

    Raises:
        MIRModelError: a file, key, shape or setting does not fit; the message names it, and both shapes.
    """
    source = recognise(pretrained)
    if isinstance(dtype, str) and dtype != "auto":
        dtype = getattr(torch, dtype)
    if source.kind == "transformers":
        named = {"base_llm": base_llm, "vision_tower": vision_tower, "tokenizer": tokenizer}
        model, processor = load_converted(source, align_level, dtype, {**named, **settings})
        return Loaded(model, processor)
    known = read_settings(source.config, {**settings, "mm_vision_tower": vision_tower}, source.path)
    tensors = sort_tensors(source)
    aligned = known.is_aligngpt or bool(tensors.indicators or tensors.gate)
    stage = check_stage(source, known, tensors, aligned, stage)
    align_level = aligngpt.check_level(align_level, aligned, stage, source.path)

    llm = load_llm(source, tensors.language, base_llm, dtype, merge_lora)
    tokens = load_tokenizer(tokenizer or base_llm or source.path)
    add_original_tokens(llm, tokens, known, tensors, source)
    tower = load_tower(source, known, tensors.tower, llm.dtype)
    width = llm.config.get_text_config().hidden_size
    components = Components(
        name=str(pretrained),
        llm=llm,
        tokenizer=tokens,
        tower=tower,
        projector=checked_layers(
            tensors.projector,
            known.mm_projector_type,
            vision=End(str(known.mm_vision_tower), tower.config.hidden_size),
            language=End(base_llm or "its LLM", width),
            path=source.file,
        ),
        strategy=select_strategy(tower, known),
        settings=known,
    )
    if aligned:
        aligngpt.check_tensors(tensors, width, components.image_rows, source.file)
        aligngpt.add_placeholders(llm, tokens, tensors)
    model = assemble(components, tensors)
    processor, variants = make_processors(components, tensors, stage, conversation, align_level)
    return Loaded(model, processor, variants)
