"""decord, the video reader that many of lmms-eval's model classes import, may be missing.

MIR reads no videos, and decord has wheels for x86-64 Linux and Windows alone.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NoReturn

from loguru import logger

DECORD = "decord"
REMEDY = "install it: pip install 'mir-task[video]'"


@contextmanager
def decord_or_stand_in() -> Iterator[None]:
    """Let a module that imports decord at its top be imported without decord.

    Where decord is missing, a stand-in takes its place while the block runs. Opening a video with the stand-in is an
    error that says what to install.
    """
    if find_spec(DECORD) is not None:
        yield
        return
    stand_in: Any = ModuleType(DECORD, "Stands in for decord, which is not installed.")
    stand_in.VideoReader = stand_in.cpu = _refuse_video
    # An entry of None says that the module must not be imported, and has to stay.
    before = {DECORD: sys.modules[DECORD]} if DECORD in sys.modules else {}
    sys.modules[DECORD] = stand_in
    try:
        yield
    finally:
        del sys.modules[DECORD]
        sys.modules.update(before)


def explain_missing_decord() -> None:
    """Let lmms-eval say what to install where a model's class cannot be imported for want of decord."""
    from lmms_eval.models.registry_v2 import ModelRegistryV2

    original = ModelRegistryV2.get_model_class
    if hasattr(original, "mir_task_original"):
        return

    @functools.wraps(original)
    def get_model_class(self: Any, model_name: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, model_name, *args, **kwargs)
        except ModuleNotFoundError as error:
            if error.name != DECORD:
                raise
            raise ModuleNotFoundError(
                f"lmms-eval's class of the model {model_name} imports decord, its video reader, which is not "
                f"installed; {REMEDY}. The models mir_demo and llava_pretrain and, in Python, mir_task.measure need no "
                "decord",
                name=DECORD,
            ) from error

    get_model_class.mir_task_original = original  # type: ignore[attr-defined]
    ModelRegistryV2.get_model_class = get_model_class


def _refuse_video(*_: Any, **__: Any) -> NoReturn:
    message = f"this video needs decord, a video reader, which is not installed; {REMEDY}"
    logger.error(message)  # llava_hf catches what is raised here, and mentions it where few look
    raise ModuleNotFoundError(message, name=DECORD)
