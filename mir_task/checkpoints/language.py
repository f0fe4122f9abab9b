"""Loads the LLM of a checkpoint: named, stored whole, or named and changed by LoRA adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from peft import PeftModel, get_peft_model_state_dict
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from mir_task.checkpoints.settings import LANGUAGE_MODELS
from mir_task.checkpoints.source import LORA_FILES, Source
from mir_task.checkpoints.weights import TensorDict, check_shapes, read_tensors
from mir_task.errors import MIRModelError


def load_llm(source: Source, tensors: TensorDict, base_llm: str | None, dtype: Any, merge_lora: bool) -> Any:
    """Load the LLM of a checkpoint: its own, or the base it was trained on, with LoRA adapters if it has some.

    Args:
        source: the checkpoint.
        tensors: the LLM's in the checkpoint.
        base_llm: name or folder of the base; None for a checkpoint that has its own LLM.
        dtype: of the LLM; ``auto``: the one that it is stored in.
        merge_lora: add LoRA adapters to the weights instead of keeping them beside.

    Raises:
        MIRModelError: no base is named for a checkpoint that needs one, or one for a checkpoint that has its own.
    """
    if source.kind == "full":
        if base_llm is not None:
            raise MIRModelError(
                f"{source.path} holds a whole model ({source.file.name}), a stage 2, or a stage 1 with the LLM "
                "unlocked: its own LLM is used, leave out base_llm (a tokenizer can be named with tokenizer=…)"
            )
        return _load_whole(source, tensors, dtype)
    if base_llm is None:
        content = "LoRA adapters" if source.kind == "lora" else "a projector alone (stage 1)"
        raise MIRModelError(
            f"{source.path} holds {content}, no LLM: name the one it was trained on with base_llm=…"
        )
    llm = _load_base(base_llm, dtype)
    return _with_lora(llm, source.path, merge_lora) if source.kind == "lora" else llm


def _load_base(name: str, dtype: torch.dtype | str) -> Any:
    """Load a base LLM, and refuse what is itself a vision-language model."""
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
    """Load the LLM's tokenizer.

    Raises:
        MIRModelError: there is none.
    """
    try:
        return AutoTokenizer.from_pretrained(name)
    except Exception as error:
        raise MIRModelError(f"cannot load a tokenizer from {name}: {error}") from error


def _load_whole(source: Source, tensors: TensorDict, dtype: torch.dtype | str) -> Any:
    """Load the LLM that a full checkpoint holds.

    Args:
        source: the checkpoint; its config is the LLM's with additions.
        tensors: keys ``model.…`` and ``lm_head.…`` only.
        dtype: ``auto`` for the one that the config names.
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


def _with_lora(llm: Any, folder: Path, merge: bool) -> Any:
    """Put a folder's LoRA adapters on the LLM, merged into its weights or beside them."""
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
