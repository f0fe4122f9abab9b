"""The tokens that pre-training adds to an LLM, and their rows of its token embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mir_task.checkpoints.components import ComponentTensors
from mir_task.checkpoints.settings import Settings
from mir_task.checkpoints.source import Source
from mir_task.checkpoints.templates import IM_END, IM_PATCH, IM_START, IMAGE
from mir_task.errors import MIRModelError


def add_original_tokens(
    llm: Any, tokenizer: Any, settings: Settings, tensors: ComponentTensors, source: Source
) -> None:
    """Add the tokens that the original code adds, in its order and with their trained rows; then ``<image>``.

    Args:
        llm: gets rows for the tokens.
        tokenizer: gets the tokens.
        settings: the checkpoint's; they say which tokens its training added.
        tensors: the checkpoint's; they may hold trained rows.
        source: the checkpoint.

    Raises:
        MIRModelError: settings and tensors do not agree, or trained rows do not fit the LLM.
    """
    added = [IM_PATCH] if settings.mm_use_im_patch_token else []
    added += [IM_START, IM_END] if settings.mm_use_im_start_end else []
    table = tensors.language.get("model.embed_tokens.weight") if source.kind != "full" else None
    _check_start_end(settings, tensors, table, source)
    if added:
        add_tokens(llm, tokenizer, added)
    if table is not None:
        _load_trained_rows(llm, tokenizer, table, added, source.file)
    add_tokens(llm, tokenizer, [IMAGE])


def add_tokens(llm: Any, tokenizer: Any, names: list[str]) -> None:
    """Give the tokenizer new special tokens, and the LLM rows for them where it has none to spare."""
    tokenizer.add_tokens(names, special_tokens=True)
    if len(tokenizer) > llm.get_input_embeddings().weight.shape[0]:
        llm.resize_token_embeddings(len(tokenizer), mean_resizing=False)


def set_rows(llm: Any, ids: list[int], rows: Tensor) -> None:
    """Overwrite rows of the token embedding with [len(ids), d] values."""
    weight = llm.get_input_embeddings().weight
    with torch.no_grad():
        weight[ids] = rows.to(weight.dtype)


def _check_start_end(
    settings: Settings, tensors: ComponentTensors, table: Tensor | None, source: Source
) -> None:
    """Refuse trained rows without ``mm_use_im_start_end``, which they belong to, and that without them."""
    if settings.mm_use_im_start_end:
        missing = source.kind == "projector" and table is None
        if tensors.indicators or missing:
            reason = (
                "which AlignGPT does not have"
                if tensors.indicators
                else "but there is no key embed_tokens.weight"
            )
            raise MIRModelError(f"{source.file}: mm_use_im_start_end is set, {reason}")
    elif table is not None:
        raise MIRModelError(
            f"{source.file} holds embed_tokens.weight {list(table.shape)}, which belongs to mm_use_im_start_end; the "
            "config does not set it: give mm_use_im_start_end=True"
        )


def _load_trained_rows(llm: Any, tokenizer: Any, table: Tensor, added: list[str], path: Path) -> None:
    """Load the token embedding that a stage 1 with ``mm_use_im_start_end`` trained, whole or its new rows alone.

    Args:
        llm: already has rows for the added tokens.
        tokenizer: already knows the added tokens.
        table: ``embed_tokens.weight`` of the projector's file, [vocabulary + added, d] or [2, d].
        added: the tokens that the original code adds, in its order.
        path: the file, for messages.

    Raises:
        MIRModelError: the table has another shape.
    """
    d = llm.get_input_embeddings().weight.shape[1]
    ids = tokenizer.convert_tokens_to_ids(added)
    rows = max(ids) + 1
    if tuple(table.shape) == (rows, d):
        set_rows(llm, list(range(rows)), table)
    elif tuple(table.shape) == (2, d):
        set_rows(llm, ids[-2:], table)
    else:
        raise MIRModelError(
            f"{path}: embed_tokens.weight has shape {list(table.shape)}; base_llm's tokenizer with "
            f"{', '.join(added)} needs {[rows, d]} or, the new rows alone, {[2, d]}"
        )
