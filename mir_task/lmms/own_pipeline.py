"""An lmms-eval model's own input pipeline: its ``generate_until``, for one pair and one new token."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lmms_eval.api.instance import Instance
from PIL import Image

from mir_task.adapters import Pipeline
from mir_task.lmms.traces import no_files_left, same_state

TASK, SPLIT = "mir_pair", "test"
GREEDY = {"max_new_tokens": 1, "temperature": 0, "do_sample": False}


def pipeline_of(lm: Any, tokenizer: Any) -> Pipeline:
    """The way that an lmms-eval model shows a pair to its torch model.

    ``generate_until`` takes a question and knows no assistant's turn to be continued, so the text stands in the
    user's turn, behind the image, where the model's class puts questions.

    Args:
        lm: an lmms-eval model object.
        tokenizer: the model's.
    """

    def run(image: Image.Image, text: str) -> None:
        with no_files_left(), same_state(lm), _without_cache(lm), _only_document(lm, image):
            lm.generate_until([_request(lm, text)])

    source = inspect.getsource(type(lm))
    return Pipeline(run, tokenizer, hashlib.sha256(source.encode()).hexdigest())


def _request(lm: Any, text: str) -> Instance:
    if getattr(lm, "is_simple", True):
        arguments: tuple[Any, ...] = (text, dict(GREEDY), lambda image: [image])
    else:

        def messages(image: Image.Image) -> list[dict[str, Any]]:
            content = [{"type": "image", "url": image}, {"type": "text", "text": text}]
            return [{"role": "user", "content": content}]

        arguments = (text, messages, dict(GREEDY))
    return Instance(
        request_type="generate_until",
        arguments=(*arguments, 0, TASK, SPLIT),
        idx=0,
        metadata={"task": TASK, "doc_id": 0, "repeats": 1},
    )


@contextmanager
def _only_document(lm: Any, image: Image.Image) -> Iterator[None]:
    """Let the model find the image as the only document of a task."""
    lm.task_dict[TASK] = {SPLIT: [image]}
    try:
        yield
    finally:
        del lm.task_dict[TASK]


@contextmanager
def _without_cache(lm: Any) -> Iterator[None]:
    """Let the model's class ask for no cache either, where it says so to ``generate`` on its own."""
    if not hasattr(lm, "use_cache"):
        yield
        return
    before, lm.use_cache = lm.use_cache, False
    try:
        yield
    finally:
        lm.use_cache = before
