"""Answers lmms-eval's requests of type ``mir``: all pairs of a task at once, on the model already loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from lmms_eval.api.instance import GenerationResult
from loguru import logger

from mir_task.backend import model_and_processor
from mir_task.data import open_image
from mir_task.errors import MIRModelError
from mir_task.perplexity import CaptionPerplexity, caption_perplexity
from mir_task.probe import Pair, measure
from mir_task.result import MIRResult, Protocol

Result = MIRResult | CaptionPerplexity
MEASUREMENTS: dict[str, Callable[..., Result]] = {"mir": measure, "caption_ppl": caption_perplexity}


def answer_requests(lm: Any, requests: list[Any]) -> list[GenerationResult]:
    """Measure MIR once for each task among the requests.

    Args:
        lm: the lmms-eval model object.
        requests: instances of request type ``mir``, of one or several tasks, in any order.

    Returns:
        One answer a request, in their order: JSON with the task's numbers, and at the first document of each
        task the whole result.

    Raises:
        MIRModelError: a model whose hidden states cannot be read, or several processes.
        MIRDataError: pairs that no MIR can be computed from.
    """
    if lm.world_size > 1:
        raise MIRModelError(
            f"MIR over several processes is not supported yet and would come from a part of the pairs; run the mir "
            f"tasks in one process (this run has {lm.world_size}), with device_map=auto for a model that needs "
            "several devices"
        )
    by_task: dict[str, dict[int, Any]] = {}
    for request in requests:
        if not request.metadata.get("__padding_only__"):
            by_task.setdefault(request.task_name, {})[request.doc_id] = request
    model, processor = model_and_processor(lm)
    results: dict[str, Result] = {}
    for task_name, documents in by_task.items():
        first = next(iter(documents.values())).metadata
        measurement = first["measurement"]
        logger.info(f"Measuring {measurement} of {task_name} on {len(documents)} pairs")
        results[task_name] = MEASUREMENTS[measurement](
            model,
            processor,
            _Pairs(lm, [documents[doc_id] for doc_id in sorted(documents)]),
            max_text_tokens=first["max_text_tokens"],
            protocol=Protocol.model_validate(first["protocol"]),
        )
        logger.info(f"{measurement} of {task_name}: {metrics_of(results[task_name])[measurement]}")
    return [
        GenerationResult(
            text=encode(results[request.task_name], whole=request.doc_id == min(by_task[request.task_name]))
        )
        for request in requests
    ]


def encode(result: Result, whole: bool) -> str:
    """A task's answer for one document: its numbers, and on one document also the whole result."""
    answer: dict[str, Any] = {"metrics": metrics_of(result)}
    if whole:
        answer["result"] = result.model_dump(mode="json")
    return json.dumps(answer)


def metrics_of(result: Result) -> dict[str, float | int | None]:
    """What lmms-eval's table shows of a result."""
    if isinstance(result, CaptionPerplexity):
        return {
            "caption_ppl": result.caption_ppl,
            "caption_ppl_se": result.standard_error,
            "caption_pairs": result.pairs,
            "caption_tokens_per_pair": result.tokens / result.pairs,
        }
    return {
        "mir": result.mir,
        "mir_se": result.standard_error,
        "mir_reference": result.mir_reference,
        "mir_pairs": result.pairs,
        "vision_tokens_per_pair": result.vision_tokens_per_pair,
        "text_tokens_per_pair": result.text_tokens_per_pair,
    }


class _Pairs(Sequence[Pair]):
    """The pairs of a task's requests, each image opened only when its turn comes."""

    def __init__(self, lm: Any, requests: list[Any]) -> None:
        self._lm = lm
        self._requests = requests

    def __len__(self) -> int:
        return len(self._requests)

    def __getitem__(self, index: Any) -> Any:
        text, _, doc_to_visual, doc_id, task, split = self._requests[index].args
        doc = self._lm.task_dict[task][split][doc_id]
        (image,) = doc_to_visual(doc)
        return Pair(open_image(image), text, doc["pair_id"])
