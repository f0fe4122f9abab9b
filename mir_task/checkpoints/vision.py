"""Loads the vision tower that a checkpoint names, and the preprocessing of its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    CLIPVisionModel,
    LlavaImageProcessor,
    SiglipVisionModel,
)

from mir_task.checkpoints.settings import Settings
from mir_task.checkpoints.source import Source
from mir_task.checkpoints.weights import TensorDict
from mir_task.errors import MIRModelError

TOWERS = {
    "clip": CLIPVisionModel,
    "clip_vision_model": CLIPVisionModel,
    "siglip": SiglipVisionModel,
    "siglip_vision_model": SiglipVisionModel,
}

PREPROCESSING = {
    "do_resize",
    "size",
    "resample",
    "do_center_crop",
    "crop_size",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
}
"""Settings that a processor which pads takes over from the tower's own."""


def load_tower(source: Source, settings: Settings, own_weights: TensorDict, dtype: torch.dtype) -> Any:
    """Load the vision tower that a checkpoint names, with the weights that it brings along.

    Args:
        source: the checkpoint.
        settings: the checkpoint's; they name the tower.
        own_weights: the checkpoint's, keys ``vision_model.…``; empty if the named tower's are to be used.
        dtype: of the tower.

    Raises:
        MIRModelError: no tower is named, it cannot be loaded, it is of another kind than CLIP and SigLIP, or weights or
            width do not fit.
    """
    name = settings.mm_vision_tower
    if name is None:
        raise MIRModelError(f"{source.path}: no config names its vision tower; name it with vision_tower=…")
    tower = _named_tower(name, dtype)
    if own_weights:
        _replace_weights(tower, own_weights, source.file)
    width = tower.config.hidden_size
    if settings.mm_hidden_size not in (None, width):
        raise MIRModelError(
            f"{source.path}: its config says mm_hidden_size {settings.mm_hidden_size}, the vision tower "
            f"{name} gives features of width {width}; name the right one with vision_tower=…"
        )
    return tower


def _named_tower(name: str, dtype: torch.dtype) -> Any:
    """Load a CLIP or SigLIP vision model from a folder, or by a name that transformers knows."""
    try:
        model_type = AutoConfig.from_pretrained(name).model_type
    except Exception as error:  # transformers raises many unrelated classes for what it cannot load
        raise MIRModelError(
            f"cannot load the vision tower {name}: {error}; name it with vision_tower=…"
        ) from error
    if model_type not in TOWERS:
        raise MIRModelError(
            f"the vision tower {name} is a {model_type!r} model; supported are CLIP and SigLIP ({', '.join(TOWERS)})"
        )
    return TOWERS[model_type].from_pretrained(name, dtype=dtype).eval()


def _replace_weights(tower: Any, own: TensorDict, path: Path) -> None:
    """Put the checkpoint's own weights into the tower."""
    # transformers 5 has lost the level vision_model.; its own loader knows both, so compare without it.
    ours = {name.removeprefix("vision_model."): name for name in tower.state_dict()}
    theirs = {name.removeprefix("vision_model."): value for name, value in own.items()}
    theirs.pop("embeddings.position_ids", None)  # a buffer of old versions
    state = {ours[name]: value for name, value in theirs.items() if name in ours}
    if theirs.keys() != ours.keys():
        odd = sorted(theirs.keys() ^ ours.keys())
        raise MIRModelError(
            f"{path}: its vision tower has other keys than the named one: {', '.join(odd[:6])}"
        )
    try:
        tower.load_state_dict(state)
    except RuntimeError as error:
        raise MIRModelError(f"{path}: its vision tower does not fit the named one: {error}") from error


def has_class_token(tower: Any) -> bool:
    """Whether the tower puts a class token before its patches, as CLIP does and SigLIP does not."""
    return str(tower.config.model_type) == "clip_vision_model"


def select_strategy(tower: Any, settings: Settings) -> str:
    """Translate the select feature for transformers: ``default`` drops the class token, ``full`` drops nothing."""
    return "default" if settings.mm_vision_select_feature == "patch" and has_class_token(tower) else "full"


def image_processor(name: str, settings: Settings) -> Any:
    """Load the tower's own preprocessing; with ``image_aspect_ratio`` pad, images are first padded to squares.

    Raises:
        MIRModelError: the tower has no preprocessor config.
    """
    try:
        own = AutoImageProcessor.from_pretrained(name)
    except Exception as error:
        raise MIRModelError(f"the vision tower {name} has no preprocessor_config.json: {error}") from error
    if settings.image_aspect_ratio == "square":
        return own
    given = {key: value for key, value in own.to_dict().items() if key in PREPROCESSING and value is not None}
    # SigLIP's has no centre crop and does not name it.
    return LlavaImageProcessor(**{"do_center_crop": False, **given}, do_pad=True)
