"""Answers lmms-eval's requests of type ``mir``: all pairs of a task at once, on the model already loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lmms_eval.api.instance import GenerationResult
from loguru import logger

from mir_task.data import PairSet
from mir_task.errors import MIRModelError
from mir_task.lmms.backend import model_and_processor
from mir_task.lmms.batch_size import batch_size_of
from mir_task.lmms.breakdown import Numbers, measure_parts, numbers
from mir_task.lmms.settings import settings_from_environment
from mir_task.measurement.perplexity import caption_perplexity
from mir_task.measurement.ranks import Ranks
from mir_task.metrics import CAPTION_METRICS, values
from mir_task.result import CaptionPerplexity, MIRResult, Protocol


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
        MIRModelError: a model whose hidden states cannot be read, or processes that torch knows nothing of.
        MIRDataError: pairs that no MIR can be computed from.
    """
    ranks = Ranks.of_torch()
    if lm.world_size != ranks.size and lm.world_size > 1:
        raise MIRModelError(
            f"this run has {lm.world_size} processes, of which torch.distributed was told {ranks.size}; start it with "
            "torchrun or accelerate launch, or in one process with device_map=auto"
        )
    ranks = ranks if lm.world_size > 1 else Ranks()
    model, processor = model_and_processor(lm)
    answers: dict[str, Answer] = {}
    tasks = _tasks_of_all(ranks, requests)
    for task_name, task in tasks.items():
        # Documents are rows of the task's dataset; --limit may leave most of them out.
        pairs = PairSet(lm.task_dict[task_name][task.split]).subset(sorted(task.documents))
        measurement = task.metadata["measurement"]
        logger.info(f"Measuring {measurement} of {task_name} on {len(pairs)} pairs")
        answers[task_name] = MEASUREMENTS[measurement](lm, model, processor, pairs, task, ranks)
        logger.info(f"{measurement} of {task_name}: {answers[task_name].numbers[measurement]}")
    return [
        GenerationResult(
            text=answers[request.task_name].encode(
                whole=request.doc_id == min(tasks[request.task_name].documents)
            )
        )
        for request in requests
    ]


@dataclass
class _Task:
    """What the requests of one task ask for, in all processes together."""

    split: str
    metadata: dict[str, Any]
    documents: set[int]

    @property
    def protocol(self) -> Protocol:
        """Where the task's pairs come from."""
        return Protocol.model_validate(self.metadata["protocol"])

    @property
    def max_text_tokens(self) -> int:
        """Where the task cuts texts."""
        return int(self.metadata["max_text_tokens"])


def _tasks_of_all(ranks: Ranks, requests: list[Any]) -> dict[str, _Task]:
    """The tasks among the requests of all processes, in the same order in each.

    lmms-eval deals the documents out and pads what it gives each process with copies, which do not count; a process may
    have got none at all.
    """
    own: dict[str, _Task] = {}
    for request in requests:
        if not request.metadata.get("__padding_only__"):
            *_, split = request.args
            task = own.setdefault(request.task_name, _Task(split, request.metadata, set()))
            task.documents.add(request.doc_id)
    tasks: dict[str, _Task] = {}
    for theirs in ranks.gather(own):
        for name, task in theirs.items():
            tasks.setdefault(name, task).documents |= task.documents
    return tasks


def _mir(lm: Any, model: Any, processor: Any, pairs: PairSet, task: _Task, ranks: Ranks) -> Answer:
    # A checkpoint that is a family of models has a processor for each of them.
    processors = getattr(lm, "mir_variants", None) or {"": processor}
    settings = settings_from_environment(task.max_text_tokens, batch_size_of(lm))
    parts = measure_parts(model, processors, pairs, pairs.levels, task.protocol, settings, ranks)
    return Answer(numbers(parts), {part.suffix: part.result for part in parts})


def _caption_perplexity(
    _lm: Any, model: Any, processor: Any, pairs: PairSet, task: _Task, ranks: Ranks
) -> Answer:
    result = caption_perplexity(
        model,
        processor,
        pairs,
        ranks=ranks,
        protocol=task.protocol,
        max_text_tokens=task.max_text_tokens,
    )
    return Answer(values(CAPTION_METRICS, result), {"": result})


MEASUREMENTS: dict[str, Callable[[Any, Any, Any, PairSet, _Task, Ranks], Answer]] = {
    "mir": _mir,
    "caption_ppl": _caption_perplexity,
}
