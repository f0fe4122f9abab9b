"""Answers lmms-eval's requests of type ``mir``: all pairs of a task at once, on the model already loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmms_eval.api.instance import GenerationResult
from loguru import logger

from mir_task.backend import model_and_processor
from mir_task.breakdown import Numbers, measure_parts, numbers
from mir_task.data import LEVEL_COLUMN, open_image
from mir_task.errors import MIRModelError
from mir_task.perplexity import CaptionPerplexity, caption_perplexity
from mir_task.probe import Pair
from mir_task.result import MIRResult, Protocol


@dataclass(frozen=True)
class Answer:
    """A task's numbers, as lmms-eval's table shows them, and its whole results by the suffix of their files."""

    numbers: Numbers
    results: Mapping[str, MIRResult | CaptionPerplexity]

    def encode(self, whole: bool) -> str:
        """JSON for one document: the numbers, and on one document of a task also the whole results."""
        answer: dict[str, Any] = {"metrics": self.numbers}
        if whole:
            answer["results"] = {
                suffix: result.model_dump(mode="json") for suffix, result in self.results.items()
            }
        return json.dumps(answer)


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
    answers: dict[str, Answer] = {}
    for task_name, documents in by_task.items():
        pairs = _Pairs(lm, [documents[doc_id] for doc_id in sorted(documents)])
        measurement = next(iter(documents.values())).metadata["measurement"]
        logger.info(f"Measuring {measurement} of {task_name} on {len(pairs)} pairs")
        answers[task_name] = MEASUREMENTS[measurement](lm, model, processor, pairs)
        logger.info(f"{measurement} of {task_name}: {answers[task_name].numbers[measurement]}")
    return [
        GenerationResult(
            text=answers[request.task_name].encode(whole=request.doc_id == min(by_task[request.task_name]))
        )
        for request in requests
    ]


class _Pairs(Sequence[Pair]):
    """The pairs of a task's requests, each image opened only when its turn comes."""

    def __init__(self, lm: Any, requests: list[Any]) -> None:
        self._lm = lm
        self._requests = requests

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def levels(self) -> list[int] | None:
        """Level of image-text similarity of each pair, None where the task does not grade."""
        docs = [
            self._lm.task_dict[task][split]
            for *_, task, split in (request.args for request in self._requests)
        ]
        if LEVEL_COLUMN not in docs[0].column_names:
            return None
        return [int(doc[LEVEL_COLUMN][r.args[3]]) for doc, r in zip(docs, self._requests, strict=True)]

    def __getitem__(self, index: Any) -> Any:
        text, _, doc_to_visual, doc_id, task, split = self._requests[index].args
        doc = self._lm.task_dict[task][split][doc_id]
        (image,) = doc_to_visual(doc)
        return Pair(open_image(image), text, doc["pair_id"])

    @property
    def settings(self) -> dict[str, Any]:
        """The task's protocol and cut of texts."""
        metadata = self._requests[0].metadata
        return {
            "protocol": Protocol.model_validate(metadata["protocol"]),
            "max_text_tokens": metadata["max_text_tokens"],
        }


def _mir(lm: Any, model: Any, processor: Any, pairs: _Pairs) -> Answer:
    # A checkpoint that is a family of models has a processor for each of them.
    processors = getattr(lm, "mir_variants", None) or {"": processor}
    parts = measure_parts(model, processors, pairs, pairs.levels, **pairs.settings)
    return Answer(numbers(parts), {part.suffix: part.result for part in parts})


def _caption_perplexity(_lm: Any, model: Any, processor: Any, pairs: _Pairs) -> Answer:
    result = caption_perplexity(model, processor, pairs, **pairs.settings)
    return Answer(result.numbers, {"": result})


MEASUREMENTS: dict[str, Callable[[Any, Any, Any, _Pairs], Answer]] = {
    "mir": _mir,
    "caption_ppl": _caption_perplexity,
}
