"""Settings in a checkpoint's ``config.json`` that say how its model was put together, by LLaVA's own names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from mir_task.errors import MIRModelError


class Settings(BaseModel):
    """The part of an original checkpoint's config that its LLM does not know about.

    Defaults are those of the original code. Fields carry the names of the original config, so that an explicit
    argument is called what the config calls it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    model_type: str = "llava_llama"
    hidden_size: int | None = None
    mm_vision_tower: str | None = None
    mm_projector_type: str | None = None
    mm_hidden_size: int | None = None
    mm_vision_select_layer: int = -2
    mm_vision_select_feature: Literal["patch", "cls_patch"] = "patch"
    mm_use_im_start_end: bool = False
    mm_use_im_patch_token: bool = False
    image_aspect_ratio: Literal["square", "pad"] = "square"
    mm_patch_merge_type: Literal["flat"] = "flat"
    tune_mm_mlp_adapter: bool = False

    @field_validator("image_aspect_ratio", "mm_patch_merge_type", mode="before")
    @classmethod
    def _null_is_default(cls, value: Any, info: Any) -> Any:
        return cls.model_fields[info.field_name].default if value is None else value

    @property
    def is_aligngpt(self) -> bool:
        """Whether the config is one of AlignGPT."""
        return self.model_type == "aligngpt"


LANGUAGE_MODELS = {
    "llava": "llama",
    "llava_llama": "llama",
    "aligngpt": "llama",
    "llava_mistral": "mistral",
    "llava_qwen": "qwen2",
    "llava_gemma": "gemma",
    "llava_mpt": "mpt",
    "llava_phi": "phi",
}
"""LLMs inside the original code's own classes, by its ``model_type``; "llava" is its first name for llava_llama."""


def read_config(folder: Path) -> dict[str, Any] | None:
    """Read ``config.json`` of a folder, None without one.

    Raises:
        MIRModelError: it is no JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MIRModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise MIRModelError(f"{path}: expected an object, found {type(config).__name__}")
    return config


def read_settings(config: dict[str, Any] | None, explicit: dict[str, Any], path: Path) -> Settings:
    """Read the settings in a config.

    Args:
        config: the checkpoint's; None if it has none.
        explicit: settings that win over the config's; None among them means not given.
        path: the checkpoint, for messages.

    Raises:
        MIRModelError: a setting is unknown, or LLaVA's class in transformers has no equal for it.
    """
    unknown = explicit.keys() - Settings.model_fields.keys()
    if unknown:
        raise MIRModelError(
            f"unknown argument {', '.join(sorted(unknown))}; the config's own names are understood: "
            f"{', '.join(Settings.model_fields)}"
        )
    given = {name: value for name, value in explicit.items() if value is not None}
    try:
        return Settings.model_validate({**(config or {}), **given})
    except ValidationError as error:
        first = error.errors()[0]
        raise MIRModelError(
            f"{path}: setting {first['loc'][0]} is {first['input']!r}: {first['msg']}"
        ) from error
