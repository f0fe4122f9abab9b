"""Reads tensors from checkpoint files without ever executing what is in them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mir_task.errors import MIRModelError

TensorDict = dict[str, Tensor]

WHOLE_MODEL_FILES = (
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
)


def read_tensors(path: Path) -> TensorDict:
    """Read the tensors of a ``.bin``, ``.pt``, ``.safetensors`` or ``….index.json`` (all its shards) to the CPU.

    Pickled files are read with ``weights_only=True``: only tensors are unpickled, code never runs.

    Raises:
        MIRModelError: a file is missing, damaged, no dict of tensors, or could only be read by running code.
    """
    if path.name.endswith(".index.json"):
        return _read_shards(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise MIRModelError(
            f"{path} is not a plain dict of tensors: reading it would run code that it carries, which is refused "
            f"({str(error).splitlines()[0]})"
        ) from error
    except (OSError, RuntimeError, EOFError, SafetensorError, ValueError, KeyError) as error:
        raise MIRModelError(f"cannot read tensors from {path}: {error}") from error
    if not isinstance(content, Mapping):
        raise MIRModelError(f"{path}: expected a dict of tensors, found {type(content).__name__}")
    odd = [
        f"{name!r}: {type(value).__name__}" for name, value in content.items() if not _is_entry(name, value)
    ]
    if odd or not content:
        raise MIRModelError(
            f"{path}: expected a dict of tensors, found {', '.join(odd[:3]) or 'an empty dict'}"
        )
    return dict(content)


def _is_entry(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor)


def _read_shards(index: Path) -> TensorDict:
    try:
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise MIRModelError(f"{index} is not an index of shards: {error!r}") from error
    tensors: TensorDict = {}
    for shard in shards:
        tensors.update(read_tensors(index.parent / shard))
    return tensors


def whole_model_file(folder: Path) -> Path | None:
    """Find the file (or index of files) with a whole model's weights, None if the folder has none."""
    return next((folder / name for name in WHOLE_MODEL_FILES if (folder / name).is_file()), None)


def check_shapes(
    path: Path, found: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], what: str
) -> None:
    """Compare a file's keys and shapes with what is expected.

    Args:
        path: the file, for messages.
        found: its tensors.
        expected: shapes by key.
        what: names what is expected, for messages.

    Raises:
        MIRModelError: they differ; the message names the file, the keys and both shapes.
    """
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    if missing or extra:
        raise MIRModelError(
            f"{path} does not hold {what}: "
            + "; ".join(
                f"{len(keys)} keys {name}, {', '.join(keys[:6])}{', …' if len(keys) > 6 else ''}"
                for name, keys in (("are missing", missing), ("are too many", extra))
                if keys
            )
        )
    for name, shape in expected.items():
        if tuple(found[name].shape) != tuple(shape):
            raise MIRModelError(
                f"{path}: {name} has shape {list(found[name].shape)}, {what} needs {list(shape)}"
            )
