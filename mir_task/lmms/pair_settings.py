"""Which pairs a task is of, from its YAML and the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from mir_task.data import (
    PairSet,
    builtin_captions,
    builtin_pairs,
    graded_pairs,
    hub_captions,
    hub_pairs,
    local_captions,
    local_pairs,
)
from mir_task.data.arguments import Argument, ArgumentError
from mir_task.data.hub import HubError
from mir_task.errors import MIRDataError
from mir_task.result import MIN_PAIRS

Environment = Mapping[str, str]

VARIABLES = {
    Argument.IMAGES: "MIR_IMAGES",
    Argument.TEXTS: "MIR_TEXTS",
    Argument.PAIRED: "MIR_PAIRED=1",
    Argument.NOT_PAIRED: "unset MIR_PAIRED",
    Argument.COUNT: "MIR_NUM_PAIRS",
    Argument.SEED: "MIR_SEED",
    Argument.CLIP: "MIR_CLIP",
    Argument.LEVELS: "MIR_LEVELS",
}
"""What a user of lmms-eval knows the arguments by."""


def chosen_pairs(source: str, arguments: Mapping[str, Any], environment: Environment = os.environ) -> PairSet:
    """The pairs of a task.

    Args:
        source: a key of :data:`SOURCES`.
        arguments: the YAML's own, for the function of that source.
        environment: holds the others.

    Raises:
        MIRDataError: as that function does, naming the variable instead of the argument, and tasks instead of
            functions.
    """
    choose, settings = SOURCES[source]
    try:
        return choose(**arguments, **settings(environment))
    except ArgumentError as error:
        raise MIRDataError(error.worded(VARIABLES)) from error
    except HubError as error:
        task = HUB_TASKS[source]
        raise MIRDataError(
            f"task {task} needs {error.path} from the Hugging Face hub or its cache, which failed: {error.__cause__}. "
            f"Without the hub use {task}_builtin (data in the package) or {task}_local (your own images and texts: "
            f"MIR_IMAGES, MIR_TEXTS); their numbers are not comparable with {task}'s."
        ) from error


def choice(environment: Environment) -> dict[str, Any]:
    """How many pairs and by which seed: ``MIR_NUM_PAIRS``, ``MIR_SEED``."""
    return {
        "count": whole_number(environment, "MIR_NUM_PAIRS", minimum=MIN_PAIRS),
        "seed": whole_number(environment, "MIR_SEED", minimum=0) or 0,
    }


def files(environment: Environment) -> dict[str, Any]:
    """The user's own files: ``MIR_IMAGES``, ``MIR_TEXTS``; with ``MIR_ON_ERROR=skip`` unreadable images may come."""
    skip = environment.get("MIR_ON_ERROR", "").strip().lower() == "skip"
    return {
        "images": _given(environment, "MIR_IMAGES"),
        "texts": _given(environment, "MIR_TEXTS"),
        "check_images": not skip,
        **choice(environment),
    }


def local(environment: Environment) -> dict[str, Any]:
    """The user's own files, joined at random or, with ``MIR_PAIRED=1``, by name."""
    return {**files(environment), "paired": switch(environment, "MIR_PAIRED")}


def graded(environment: Environment) -> dict[str, Any]:
    """The user's own pairs, and what grades them: ``MIR_CLIP``, ``MIR_LEVELS``."""
    if not switch(environment, "MIR_PAIRED"):
        raise MIRDataError(
            "mir_by_alignment needs texts that belong to their images: set MIR_PAIRED=1, with files of the same "
            "names in MIR_IMAGES and MIR_TEXTS"
        )
    clip = environment.get("MIR_CLIP", "").strip()
    if not clip:
        raise MIRDataError(
            "mir_by_alignment needs the environment variable MIR_CLIP: the folder or name of the CLIP model that "
            "grades the pairs"
        )
    levels = whole_number(environment, "MIR_LEVELS", minimum=2)
    given = files(environment)
    del given["check_images"]  # CLIP looks at all of them
    return {**given, "clip": clip, **({} if levels is None else {"levels": levels})}


SOURCES: dict[str, tuple[Callable[..., PairSet], Callable[[Environment], dict[str, Any]]]] = {
    "hub": (hub_pairs, choice),
    "builtin": (builtin_pairs, choice),
    "local": (local_pairs, local),
    "graded": (graded_pairs, graded),
    "hub_captions": (hub_captions, choice),
    "builtin_captions": (builtin_captions, choice),
    "local_captions": (local_captions, files),
}
"""For what a YAML may call ``source``: the function that chooses the pairs, and its arguments from the environment."""
HUB_TASKS = {"hub": "mir", "hub_captions": "mir_caption_ppl"}
"""The tasks on data of the hub, beside which are others named ``…_builtin`` and ``…_local``."""


def whole_number(environment: Environment, name: str, minimum: int) -> int | None:
    """A variable that is a whole number; None if absent.

    Raises:
        MIRDataError: it is anything else, or smaller than the minimum.
    """
    value = environment.get(name, "").strip()
    if not value:
        return None
    if not value.isdecimal() or int(value) < minimum:
        raise MIRDataError(f"{name} must be a whole number of at least {minimum}, got {value!r}")
    return int(value)


def switch(environment: Environment, name: str) -> bool:
    """Whether a variable is 1 or true; 0, false or absent is False.

    Raises:
        MIRDataError: it is anything else.
    """
    value = environment.get(name, "").strip().lower()
    if value not in ("", "0", "1", "true", "false"):
        raise MIRDataError(f"{name} must be 0 or 1, got {value!r}")
    return value in ("1", "true")


def _given(environment: Environment, name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise MIRDataError(
            f"mir_local needs the environment variable {name}: set MIR_IMAGES to a folder of images and MIR_TEXTS "
            "to a folder of .txt files or a .jsonl file"
        )
    return value
