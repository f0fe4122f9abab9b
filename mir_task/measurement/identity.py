"""What a number depends on beside the pairs: the model, its weights, the versions of packages."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata

import torch

from mir_task.adapters import Adapter
from mir_task.adapters.sharding import compute_dtype, count
from mir_task.result import ModelInfo

RECORDED_PACKAGES = ("mir-task", "torch", "transformers", "accelerate", "lmms-eval", "numpy")
FINGERPRINT_NUMBERS = 64


def model_info(adapter: Adapter) -> ModelInfo:
    """Name, size and dtype of the model, as a result records them."""
    config = adapter.model.config
    return ModelInfo(
        name=config._name_or_path or type(adapter.model).__name__,
        model_type=config.model_type,
        adapter=adapter.family,
        layers=len(adapter.decoder.layers),
        hidden_size=adapter.hidden_size,
        dtype=str(compute_dtype(adapter.model)).removeprefix("torch."),
        parameters=sum(map(count, adapter.model.parameters())),
        cross_attention=adapter.cross_attention,
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # e.g. a notebook without lmms-eval
            continue
    return found


def fingerprint(model: torch.nn.Module) -> str:
    """Hash of a few numbers of every weight that is in memory; another one after further training."""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        digest.update(f"{name} {list(parameter.shape)} {parameter.dtype}".encode())
        if not parameter.is_meta:
            flat = parameter.detach().reshape(-1)
            few = flat[:: max(len(flat) // FINGERPRINT_NUMBERS, 1)]
            digest.update(few.double().cpu().numpy().tobytes())
    return digest.hexdigest()
