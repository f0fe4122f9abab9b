"""The lmms-eval task: builds one ``mir`` request a pair, reads the answers, writes the per-layer file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import datasets
from lmms_eval.api.instance import Instance
from lmms_eval.api.task import ConfigurableTask
from lmms_eval.loggers.evaluation_tracker import GeneralConfigTracker
from lmms_eval.utils import get_datetime_str
from loguru import logger
from PIL import Image

from mir_task.errors import MIRError
from mir_task.lmms import REQUEST_TYPE, protocol_record, variables
from mir_task.lmms.breakdown import metric_names
from mir_task.lmms.pair_settings import chosen_pairs
from mir_task.measurement.settings import DEFAULT_MAX_TEXT_TOKENS
from mir_task.metrics import CAPTION_METRICS, MIR_METRICS, higher_is_better
from mir_task.result import CaptionPerplexity, MIRResult

# False: lower is better. None: neither, the table draws no arrow.
METRICS = higher_is_better(MIR_METRICS)

# lmms-eval's response cache stores deterministic requests one by one. MIR is of all pairs together: with half of
# them from a cache it would be measured on the other half. This tells the cache to leave our requests alone.
UNCACHED = {"do_sample": True}

RESULTS: dict[str, type[MIRResult | CaptionPerplexity]] = {"mir": MIRResult, "caption_ppl": CaptionPerplexity}
"""What each measurement's file holds."""


class MIRTask(ConfigurableTask):  # type: ignore[misc]
    """A task whose documents are image-text pairs and whose metrics are of all of them together.

    The YAML's ``dataset_kwargs`` name the source of the pairs (:data:`mir_task.lmms.pair_settings.SOURCES`) and its
    arguments, and ``max_text_tokens``.
    """

    measurement = "mir"
    """What the handler is asked for; also the metric whose aggregation writes the whole result."""
    metrics = METRICS

    def __init__(self, config: dict[str, Any] | None = None, **kwargs: Any) -> None:
        # The YAML's own key for this class, which lmms-eval leaves in.
        config = {key: value for key, value in (config or {}).items() if key != "class"}
        self.recorded: dict[str, Any] = {}
        super().__init__(config=config, **kwargs)

    def download(self, dataset_kwargs: dict[str, Any] | None = None) -> None:
        """Choose the pairs (the base class would load one dataset from the hub)."""
        variables.warn_of_unknown()
        settings = dict(dataset_kwargs or {})
        self.max_text_tokens = settings.pop("max_text_tokens", DEFAULT_MAX_TEXT_TOKENS)
        pairs = chosen_pairs(settings.pop("source"), settings)
        self.protocol = {"task": self.config.task, "task_version": str(self.VERSION), **pairs.source}
        known = {**self.protocol, "max_text_tokens": self.max_text_tokens}
        self.recorded.update(protocol_record.before_measuring(known))
        split = self.config.test_split
        if self.measurement == "mir":
            self.metrics = {**self.metrics, **metric_names(max(pairs.levels or [], default=0))}
        self._prepare_metric_and_aggregation()  # again: lmms-eval asks before it is known how many levels there are
        self.dataset = datasets.DatasetDict({split: pairs.dataset})
        self.dataset_no_image = datasets.DatasetDict({split: pairs.dataset.remove_columns("image")})

    def _prepare_metric_and_aggregation(self) -> None:
        self._metric_fn_list = dict.fromkeys(self.metrics)
        self._metric_fn_kwargs: dict[str, dict[str, Any]] = {name: {} for name in self.metrics}
        self._higher_is_better = dict(self.metrics)
        self._aggregation_list = {name: aggregate for name in self.metrics}
        self._aggregation_list[self.measurement] = partial(
            aggregate_and_save,
            task_name=self.config.task,
            measurement=self.measurement,
            recorded=self.recorded,
        )

    def dump_config(self) -> dict[str, Any]:
        """The task's configuration for lmms-eval's results file, with the ``protocol`` that its numbers are of.

        lmms-eval takes it before anything is measured and writes it at the end. So the protocol is handed over as the
        dictionary that the aggregation still completes: by then template and number of pairs are known.
        """
        return {**super().dump_config(), "protocol": self.recorded}

    def build_all_requests(
        self, *, cache_requests: bool = False, rewrite_requests_cache: bool = False, **kwargs: Any
    ) -> None:
        """Build one request a pair, anew each time.

        lmms-eval would cache them by the name of the task alone (``--cache_requests``), and a request carries its
        protocol: the next run, on other pairs, would measure as many as this one had, and record this one's folder.

        Raises:
            MIRError: ``--num_fewshot`` asks for examples before the pair.
        """
        if self.config.num_fewshot:
            raise MIRError(
                f"{self.config.task} shows the model one image and its text and has no few-shot examples, but "
                f"num_fewshot is {self.config.num_fewshot}; leave --num_fewshot out, or run {self.config.task} apart "
                "from the tasks that need it"
            )
        if cache_requests or rewrite_requests_cache:
            logger.info(f"{self.config.task} builds its requests anew; --cache_requests is for other tasks")
        super().build_all_requests(**kwargs)

    def fewshot_context(self, doc: dict[str, Any], *args: Any, **kwargs: Any) -> str:
        """The text alone: no examples, system prompt or template may be added to it here."""
        return self.doc_to_text(doc)

    def doc_to_text(self, doc: dict[str, Any]) -> str:
        """The pair's text."""
        return str(doc["text"])

    def doc_to_target(self, doc: dict[str, Any]) -> str:
        """Nothing: there is no right answer."""
        return ""

    def doc_to_visual(self, doc: dict[str, Any]) -> list[str | Image.Image]:
        """The pair's image: a path or a decoded image."""
        return [doc["image"]]

    def construct_requests(self, doc_id: int, ctx: str, **kwargs: Any) -> Instance:
        """One request, laid out as ``generate_until`` requests are."""
        metadata = {
            **kwargs["metadata"],
            "measurement": self.measurement,
            "protocol": self.protocol,
            "max_text_tokens": self.max_text_tokens,
        }
        return Instance(
            request_type=REQUEST_TYPE,
            arguments=(
                ctx,
                dict(UNCACHED),
                self.doc_to_visual,
                doc_id,
                self.config.task,
                self.config.test_split,
            ),
            idx=0,
            metadata=metadata,
        )

    def process_results(self, doc: dict[str, Any], results: list[str], **kwargs: Any) -> dict[str, Any]:
        """Every metric's value for one document: the task's number, wrapped.

        Wrapped in a dict, since lmms-eval takes the spread of bare numbers over documents for a standard
        error, and all documents of a task carry the same number.
        """
        answer = json.loads(results[0])
        values: dict[str, dict[str, Any]] = {
            name: {"value": answer["metrics"][name]} for name in self.metrics if name in answer["metrics"]
        }
        if "results" in answer:
            values[self.measurement]["results"] = answer["results"]
        return values


def aggregate(items: list[dict[str, Any]]) -> float | int | None:
    """The number that all documents of a task carry.

    Raises:
        ValueError: they differ, so that some are of another measurement.
    """
    values = {item["value"] for item in items}
    if len(values) != 1:
        raise ValueError(f"documents of one mir task carry different numbers: {sorted(map(str, values))}")
    value: float | int | None = values.pop()
    return value


class CaptionPerplexityTask(MIRTask):
    """Perplexity of captions given their images, MIR's baseline: pairs, requests and answers as MIR's."""

    measurement = "caption_ppl"
    metrics = higher_is_better(CAPTION_METRICS)


def aggregate_and_save(
    items: list[dict[str, Any]],
    args: Any,
    task_name: str,
    measurement: str = "mir",
    recorded: dict[str, Any] | None = None,
) -> float | int | None:
    """Like :func:`aggregate`; also writes the whole results beside lmms-eval's own when it has an output path.

    Args:
        items: what the documents carry.
        args: lmms-eval's arguments.
        task_name: the task's.
        measurement: the metric.
        recorded: the protocol in lmms-eval's results file, which is completed.
    """
    value = aggregate(items)
    output_path = getattr(args, "output_path", None)
    results = [part for item in items for part in item.get("results", {}).items()]
    if recorded is not None and results:
        # The first is of all pairs; the others differ in the level of similarity or the variant of the model alone.
        whole = RESULTS[measurement].model_validate(results[0][1])
        if whole.protocol is not None:
            recorded.update(protocol_record.after_measuring(whole.protocol, whole.pairs))
    if measurement == "mir":
        _say_reasons({task_name + suffix: MIRResult.model_validate(result) for suffix, result in results})
    for suffix, result in results if output_path else []:
        path = _result_path(args, task_name + suffix, measurement)
        try:
            RESULTS[measurement].model_validate(result).save(path)
            logger.info(f"Saving the whole result of {task_name} to {path}")
        except OSError as error:  # a full disk must not cost the number
            logger.error(f"could not write the whole result to {path}: {error}; {measurement} is {value}")
    return value


def _say_reasons(results: Mapping[str, MIRResult]) -> None:
    """Say why the numbers should not be believed or compared, by task: the last lines before lmms-eval's table."""
    for task, result in results.items():
        model = f"MIR of {result.model.name}" if result.model else "MIR"
        for reason in result.trust:
            logger.warning(f"{task}: {model}, {result.mir:.3f}, before it is compared: {reason.sentence}")


def _result_path(args: Any, task_name: str, measurement: str) -> Path:
    """``{output_path}/{model}/{date}_{measurement}_{task}.json``, model and date as lmms-eval writes them."""
    tracker = GeneralConfigTracker()
    tracker.log_experiment_args(args.model, args.model_args or "", "", "", False)
    date = get_datetime_str(timezone=getattr(args, "timezone", "Asia/Singapore"))
    return Path(args.output_path, str(tracker.model_name_sanitized), f"{date}_{measurement}_{task_name}.json")
