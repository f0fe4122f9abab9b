"""The vision tower that a checkpoint names, and how images are prepared for it."""

from __future__ import annotations

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
from mir_task.checkpoints.weights import TensorDict
from mir_task.errors import MIRModelError

TOWERS = {
    "clip": CLIPVisionModel,
    "clip_vision_model": CLIPVisionModel,
    "siglip": SiglipVisionModel,
    "siglip_vision_model": SiglipVisionModel,
}


def load_tower(name: str, dtype: torch.dtype) -> Any:
    """A CLIP or SigLIP vision model, of a folder or name that transformers can load.

    Raises:
        MIRModelError: it cannot be loaded, or is of another kind.
    """
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


def replace_weights(tower: Any, own: TensorDict, where: Any) -> None:
    """Take tower weights that a checkpoint brings along (keys ``vision_model.…``) instead of the named tower's.

    Raises:
        MIRModelError: they do not fit.
    """
    # transformers 5 has lost the level vision_model.; its own loader knows both, so compare without it.
    ours = {name.removeprefix("vision_model."): name for name in tower.state_dict()}
    theirs = {name.removeprefix("vision_model."): value for name, value in own.items()}
    theirs.pop("embeddings.position_ids", None)  # a buffer of old versions
    state = {ours[name]: value for name, value in theirs.items() if name in ours}
    if theirs.keys() != ours.keys():
        odd = sorted(theirs.keys() ^ ours.keys())
        raise MIRModelError(
            f"{where}: its vision tower has other keys than the named one: {', '.join(odd[:6])}"
        )
    try:
        tower.load_state_dict(state)
    except RuntimeError as error:
        raise MIRModelError(f"{where}: its vision tower does not fit the named one: {error}") from error


def has_class_token(tower: Any) -> bool:
    """CLIP has a class token before its patches, SigLIP has none."""
    return str(tower.config.model_type) == "clip_vision_model"


def select_strategy(tower: Any, settings: Settings) -> str:
    """What transformers calls the select feature: ``default`` drops the class token, ``full`` drops nothing."""
    return "default" if settings.mm_vision_select_feature == "patch" and has_class_token(tower) else "full"


def image_processor(name: str, settings: Settings) -> Any:
    """The tower's own preprocessing; with ``image_aspect_ratio`` pad, images are first padded to squares.

    Raises:
        MIRModelError: the tower has no preprocessor config.
    """
    try:
        own = AutoImageProcessor.from_pretrained(name)
    except Exception as error:
        raise MIRModelError(f"the vision tower {name} has no preprocessor_config.json: {error}") from error
    if settings.image_aspect_ratio == "square":
        return own
    names = (
        *("do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor"),
        *("do_normalize", "image_mean", "image_std"),
    )
    given = {key: value for key, value in own.to_dict().items() if key in names and value is not None}
    # SigLIP's has no centre crop and does not name it.
    return LlavaImageProcessor(**{"do_center_crop": False, **given}, do_pad=True)
