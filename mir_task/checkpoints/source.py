"""Reads what a path holds: a projector alone, a whole model, LoRA adapters, or a transformers checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mir_task.checkpoints.settings import read_config
from mir_task.checkpoints.weights import TensorDict, read_tensors, whole_model_file
from mir_task.errors import MIRModelError

PROJECTOR_FILES = ("mm_projector_align.bin", "mm_projector.bin")
LORA_CONFIG = "adapter_config.json"
LORA_FILES = ("adapter_model.safetensors", "adapter_model.bin")
LORA_OTHERS = "non_lora_trainables.bin"

Kind = Literal["projector", "full", "lora", "transformers"]


@dataclass(frozen=True)
class Source:
    """A checkpoint on disk, read except for the weights of a transformers checkpoint."""

    path: Path
    """The folder or file that the user named."""
    kind: Kind
    config: dict[str, Any] | None
    file: Path
    """The file whose tensors these are (a transformers checkpoint: its folder)."""
    tensors: TensorDict


def recognise(path: str | Path) -> Source:
    """Recognise and read a folder or file.

    Raises:
        MIRModelError: there is nothing, nothing known, or two things at once; the message names the files.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return _read_file(path)
    if not path.is_dir():
        raise MIRModelError(
            f"no checkpoint at {path}: neither a folder nor a file (names on the hub are not looked up)"
        )
    config = read_config(path)
    if config and "text_config" in config and "vision_config" in config:
        return Source(path, "transformers", config, path, {})
    projector = next((path / name for name in PROJECTOR_FILES if (path / name).is_file()), None)
    whole = whole_model_file(path)
    if projector and whole:
        raise MIRModelError(
            f"{path} holds both a projector alone ({projector.name}) and a whole model ({whole.name}); "
            "name the projector's file, or move one of them away"
        )
    if (path / LORA_CONFIG).is_file():
        others = path / LORA_OTHERS
        file = others if others.is_file() else projector
        return Source(path, "lora", config, file or others, read_tensors(file) if file else {})
    if whole:
        return Source(path, "full", config, whole, read_tensors(whole))
    if projector:
        return Source(path, "projector", config, projector, read_tensors(projector))
    inside = sorted(
        file.relative_to(path).as_posix()
        for pattern in ("checkpoint-*/mm_projector*.bin", "mm_projector/*.bin")
        for file in path.glob(pattern)
    )
    raise MIRModelError(
        f"{path} holds no {' or '.join(PROJECTOR_FILES)}, no whole model and no {LORA_CONFIG}"
        + (f"; name one of {', '.join(inside)}" if inside else "")
    )


def _read_file(path: Path) -> Source:
    """Read a projector's file, with the config that lies beside it or above."""
    tensors = read_tensors(path)
    # The original code puts checkpoint-N/mm_projector.bin, or mm_projector/checkpoint-N.bin below the config.
    folders = (path.parent, path.parent.parent) if path.parent.name == "mm_projector" else (path.parent,)
    config = next((found for folder in folders if (found := read_config(folder))), None)
    if any(".layers." in name and "vision" not in name for name in tensors):
        raise MIRModelError(
            f"{path} holds a whole model (it has {next(name for name in tensors if '.layers.' in name)}), not a "
            "projector alone; name its folder, which has the config and tokenizer too"
        )
    return Source(path, "projector", config, path, tensors)
