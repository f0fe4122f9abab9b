"""What a recipe takes from the repository that a model's class comes from."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from mir_task.errors import MIRModelError


def own_module(model: Any, *names: str) -> ModuleType:
    """Import a module that stands beside a model's code, or above it in the same package.

    Args:
        model: the model.
        names: the module's name, such as ``conversation``, and others that it may have.

    Raises:
        MIRModelError: there is none of these names.
    """
    for cls in type(model).__mro__:
        package = cls.__module__
        while "." in package:
            package = package.rpartition(".")[0]
            for name in names:
                try:
                    return importlib.import_module(f"{package}.{name}")
                except ModuleNotFoundError as error:
                    if not f"{package}.{name}".startswith(str(error.name)):
                        raise  # it is there, but something that it imports is not
    raise MIRModelError(
        f"{type(model).__name__} (from {type(model).__module__}): its repository's module {names[0]!r} is not found "
        "beside the model's code; import the model from its own repository, or give measure a "
        "mir_task.adapters.Pipeline instead of the tokenizer"
    )


def image_processor_of(tower: Any) -> Any:
    """The image processor that a vision tower brings.

    Raises:
        MIRModelError: there is no tower, or its weights are not loaded.
    """
    processor = getattr(tower, "image_processor", None)
    if processor is None:
        raise MIRModelError(
            "the model's vision tower is not loaded; load the model as its repository's load_pretrained_model does"
        )
    return processor
