"""The language model under a checkpoint: named, stored whole, or named and changed by LoRA adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from peft import PeftModel, get_peft_model_state_dict
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from mir_task.checkpoints.settings import LANGUAGE_MODELS
from mir_task.checkpoints.source import LORA_FILES, Source
from mir_task.checkpoints.weights import TensorDict, check_shapes, read_tensors
from mir_task.errors import MIRModelError


def load_llm(source: Source, tensors: TensorDict, base_llm: str | None, dtype: Any, merge_lora: bool) -> Any:
    """The LLM of a checkpoint: its own, or the base it was trained on, with its LoRA adapters if it has some.

    Raises:
        MIRModelError: no base is named for a checkpoint that needs one, or one for a checkpoint that has its own.
    """
    if source.kind == "full":
        if base_llm is not None:
            raise MIRModelError(
                f"{source.path} holds a whole model ({source.file.name}), a stage 2, or a stage 1 with the LLM "
                "unlocked: its own LLM is used, leave out base_llm (a tokenizer can be named with tokenizer=…)"
            )
        return load_whole(source, tensors, dtype)
    if base_llm is None:
        held = "LoRA adapters" if source.kind == "lora" else "a projector alone (stage 1)"
        raise MIRModelError(
            f"{source.path} holds {held}, no LLM: name the one it was trained on with base_llm=…"
        )
    llm = load_base(base_llm, dtype)
    return with_lora(llm, source.path, merge_lora) if source.kind == "lora" else llm


def load_base(name: str, dtype: torch.dtype | str) -> Any:
    """The base LLM, in its own dtype for ``auto``.

    Raises:
        MIRModelError: it cannot be loaded, or is itself a vision-language model.
    """
    try:
        config = AutoConfig.from_pretrained(name)
        if config.model_type in ("llava", "llava_pretrain"):
            raise MIRModelError(f"base_llm {name} is itself a vision-language model ({config.model_type})")
        return AutoModelForCausalLM.from_pretrained(name, dtype=dtype).eval()
    except MIRModelError:
        raise
    except Exception as error:  # transformers raises many unrelated classes for what it cannot load
        raise MIRModelError(f"cannot load base_llm {name}: {error}") from error


def load_tokenizer(name: str | Path) -> Any:
    """The LLM's tokenizer.

    Raises:
        MIRModelError: there is none.
    """
    try:
        return AutoTokenizer.from_pretrained(name)
    except Exception as error:
        raise MIRModelError(f"cannot load a tokenizer from {name}: {error}") from error


def load_whole(source: Source, tensors: TensorDict, dtype: torch.dtype | str) -> Any:
    """The LLM that a full checkpoint holds.

    Args:
        source: the checkpoint; its config is the LLM's with additions.
        tensors: keys ``model.…`` and ``lm_head.…`` only.
        dtype: ``auto`` for the one its config names.

    Raises:
        MIRModelError: an LLM that is not known, or keys and shapes that do not fit it, naming both.
    """
    config = dict(source.config or {})
    original = config.pop("model_type", None)
    model_type = LANGUAGE_MODELS.get(str(original), "")
    if not model_type:
        raise MIRModelError(
            f"{source.path / 'config.json'}: model_type {original!r} is not known here; known are "
            f"{', '.join(LANGUAGE_MODELS)}"
        )
    config.pop("architectures", None)
    llm_config = AutoConfig.for_model(model_type, **config)
    with init_empty_weights():
        empty = AutoModelForCausalLM.from_config(llm_config)
    expected = {name: tuple(value.shape) for name, value in empty.state_dict().items()}
    found = dict(tensors)
    if llm_config.tie_word_embeddings:
        found.setdefault("lm_head.weight", found.get("model.embed_tokens.weight", torch.empty(0)))
    found = {name: value for name, value in found.items() if not name.endswith("rotary_emb.inv_freq")}
    check_shapes(
        source.file, found, expected, f"the {model_type} that {source.path / 'config.json'} describes"
    )
    if dtype == "auto":
        dtype = getattr(llm_config, "dtype", None) or found["model.embed_tokens.weight"].dtype
    return type(empty).from_pretrained(None, config=llm_config, state_dict=found, dtype=dtype).eval()


def with_lora(llm: Any, folder: Path, merge: bool) -> Any:
    """The LLM with a folder's LoRA adapters, merged into its weights or beside them.

    Raises:
        MIRModelError: the adapters are of another model; the message names keys and shapes.
    """
    path = next((folder / name for name in LORA_FILES if (folder / name).is_file()), folder / LORA_FILES[0])
    stored = read_tensors(path)
    try:
        model = PeftModel.from_pretrained(llm, str(folder))
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise MIRModelError(f"{folder}: its LoRA adapters do not fit the base LLM: {error}") from error
    expected = {name: tuple(value.shape) for name, value in get_peft_model_state_dict(model).items()}
    check_shapes(path, stored, expected, "LoRA adapters of this base LLM")
    if merge:
        return model.merge_and_unload().eval()
    return model.get_base_model().eval()


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


def load_token_table(llm: Any, tokenizer: Any, table: Tensor, added: list[str], path: Path) -> None:
    """The token embedding that a stage 1 with ``mm_use_im_start_end`` trained, whole or its new rows alone.

    Args:
        llm: already has rows for the added tokens.
        tokenizer: already knows the added tokens.
        table: ``embed_tokens.weight`` of the projector's file, [vocabulary + added, d] or [2, d].
        added: the tokens that the original code adds, in its order.
        path: the file, for messages.

    Raises:
        MIRModelError: another shape.
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
