"""MIR while a model trains: a callback for transformers' Trainer."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from accelerate.utils import broadcast_object_list
from loguru import logger
from transformers import EarlyStoppingCallback, TrainerCallback

from mir_task.adapters import adapter_for
from mir_task.adapters.sharding import sharding
from mir_task.data import PairSet
from mir_task.errors import MIRDataError, MIRError, OtherProcessError
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.settings import DEFAULT_MAX_TEXT_TOKENS, MeasurementSettings
from mir_task.measurement.sharded import check_sharded_run
from mir_task.metrics import LAYER_METRICS, MIR_METRICS
from mir_task.result import MIN_PAIRS, MIRResult, Protocol
from mir_task.training.between_steps import Pairs, measure_in_training, unwrap
from mir_task.training.restore import is_renamed, restore, resumed_checkpoint


class MIRCallback(TrainerCallback):  # type: ignore[misc]
    """Measures MIR on the live model while a Trainer trains it, and logs it to whatever the Trainer logs to.

    Logged are ``eval_mir``, ``eval_mir_se``, ``eval_mir_reference`` and each layer's distance as
    ``eval_mir_fid_layer_01`` and so on. Measurements at evaluations are also among the evaluation's metrics, so that
    ``metric_for_best_model="eval_mir"`` with ``greater_is_better=False``, and early stopping, work.

    With ``load_best_model_at_end`` the model ends with the best checkpoint's weights, and a resumed training begins
    with those of its checkpoint, also where transformers' Trainer fails to load them
    (:mod:`mir_task.training.restore`).

    In several processes (DDP) the first one measures and the others wait for its number; ``ddp_timeout`` must be longer
    than a measurement takes. Where weights are sharded (FSDP2, DeepSpeed ZeRO-3) the pairs are dealt over the
    processes, and all of them measure.

    A model whose MIR cannot be computed any more (NaN after divergence) does not end the training: the reason is logged
    and ``eval_mir`` is NaN.

    Args:
        trainer: the Trainer; add the callback to it: ``trainer.add_callback(MIRCallback(trainer, pairs, processor))``.
        pairs: fixed pairs, as for :func:`mir_task.measure`, or a set of :mod:`mir_task.data`, such as
            ``builtin_pairs()``.
        processor: the model's processor; default: the Trainer's ``processing_class``.
        at: ``evaluate``: at each evaluation; ``save``: whenever a checkpoint was saved; None: neither.
        every_steps: also after every so many optimiser steps.
        output_dir: write each result there as ``mir_step_000100.json``.
        max_text_tokens: as for :func:`mir_task.measure`.
        protocol: as for :func:`mir_task.measure`.
        uncertainty: as for :func:`mir_task.measure`; False, for a number every few steps, leaves ``eval_mir_se`` out.

    Attributes:
        results: :class:`MIRResult` by step, in the first process.

    Raises:
        MIRDataError: fewer than two pairs, or a setting that never measures. When training begins: fewer pairs than
            processes, where weights are sharded.
        MIRModelError: when training begins: a model or processor that MIR cannot be measured on. When it begins or
            ends: weights of a checkpoint that cannot be loaded.
    """

    def __init__(
        self,
        trainer: Any,
        pairs: Pairs | PairSet,
        processor: Any = None,
        *,
        at: Literal["evaluate", "save"] | None = "evaluate",
        every_steps: int | None = None,
        output_dir: str | Path | None = None,
        max_text_tokens: int = DEFAULT_MAX_TEXT_TOKENS,
        protocol: Protocol | None = None,
        uncertainty: bool = True,
    ) -> None:
        if isinstance(pairs, PairSet):
            protocol = protocol or pairs.protocol
        if not isinstance(pairs, Collection) or len(pairs) < MIN_PAIRS:
            raise MIRDataError(
                f"MIRCallback needs a list of at least {MIN_PAIRS} pairs, the same at every step, got "
                f"{len(pairs) if isinstance(pairs, Collection) else type(pairs).__name__}"
            )
        if at not in ("evaluate", "save", None) or (every_steps is not None and every_steps < 1):
            raise MIRDataError(
                f"MIRCallback: at must be evaluate, save or None (got {at!r}), every_steps a positive number (got "
                f"{every_steps!r})"
            )
        if at is None and every_steps is None:
            raise MIRDataError("MIRCallback would never measure: set at or every_steps")
        self.trainer, self.pairs, self.processor = trainer, pairs, processor or trainer.processing_class
        self.at, self.every_steps = at, every_steps
        self.output_dir = None if output_dir is None else Path(output_dir)
        self.settings: dict[str, Any] = {
            "max_text_tokens": max_text_tokens,
            "protocol": protocol,
            "uncertainty": uncertainty,
        }
        self.results: dict[int, MIRResult] = {}
        self._training = False
        self._last: tuple[int, dict[str, float]] | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Check early what can be checked, and take a place before callbacks that read the metrics."""
        adapter = adapter_for(unwrap(self.trainer.model), self.processor)
        if adapter.sharding:
            check_sharded_run(adapter, MeasurementSettings(), Ranks.of_torch(), len(self.pairs))
        if state.global_step > 0 and self._restores:
            restore(self.trainer.model, resumed_checkpoint(args, state))
        self._training, self._last = True, None
        handler = self.trainer.callback_handler
        others = [callback for callback in handler.callbacks if callback is not self]
        readers = [i for i, callback in enumerate(others) if isinstance(callback, EarlyStoppingCallback)]
        # A new list: the handler is going through the old one at this moment.
        handler.callbacks = (
            [*others[: readers[0]], self, *others[readers[0] :]] if readers else handler.callbacks
        )

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Put back the best model's weights if asked for, and forget the last measurement, which is of others."""
        if args.load_best_model_at_end and state.best_model_checkpoint is not None and self._restores:
            restore(self.trainer.model, state.best_model_checkpoint)
        self._training, self._last = False, None

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Every so many steps."""
        if self.every_steps and state.global_step % self.every_steps == 0:
            self._measure_and_log(state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """At each checkpoint."""
        if self.at == "save":
            self._measure_and_log(state.global_step)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **kwargs: Any
    ) -> None:
        """At each evaluation: also among its metrics, from which the Trainer chooses the best model."""
        if self.at == "evaluate":
            numbers = self._measure_and_log(state.global_step)
            if metrics is not None:
                metrics.update(numbers)

    @property
    def _sharded(self) -> bool:
        return sharding(unwrap(self.trainer.model)) is not None

    @property
    def _restores(self) -> bool:
        """Whether the Trainer cannot be relied on to load checkpoints, but for those of DeepSpeed and FSDP."""
        own_format = self.trainer.is_deepspeed_enabled or self._sharded
        return is_renamed(self.trainer.model) and not own_format

    def _measure_and_log(self, step: int) -> dict[str, float]:
        """Once a step, however many events fall on it."""
        if self._last is not None and self._last[0] == step:
            return self._last[1]
        numbers = self._numbers_of_all_processes(step)
        self._last = (step, numbers) if self._training else None
        # Logging ends with "logged": the Trainer's own log of the same step must not be lost to ours.
        control = self.trainer.control
        due = control.should_log
        self.trainer.log(dict(numbers))
        control.should_log = due
        return numbers

    def _numbers_of_all_processes(self, step: int) -> dict[str, float]:
        """What the first process measured; the others get it, or its error, instead of waiting for ever.

        Where weights are sharded, all processes measure together.
        """
        if self._sharded:
            return self._measure(step)
        answer: list[Any] = [None]
        failure: Exception | None = None
        if self.trainer.args.process_index == 0:
            try:
                answer = [self._measure(step)]
            except Exception as error:
                failure, answer = error, [repr(error)]
        if self.trainer.args.world_size > 1:
            broadcast_object_list(answer, from_process=0)
        if isinstance(answer[0], str):
            raise failure or RuntimeError(f"MIR could not be measured in the first process: {answer[0]}")
        numbers: dict[str, float] = answer[0]
        return numbers

    def _measure(self, step: int) -> dict[str, float]:
        try:
            result = measure_in_training(self.trainer.model, self.processor, self.pairs, **self.settings)
        except OtherProcessError:  # which ends the training there
            raise
        except MIRError as error:
            logger.error(f"MIR could not be measured at step {step}, eval_mir is NaN there: {error}")
            return {"eval_mir": math.nan}
        if self.trainer.args.process_index > 0:
            return numbers_of(result)
        self.results[step] = result
        if self.output_dir is not None:
            result.save(self.output_dir / f"mir_step_{step:06d}.json")
        return numbers_of(result)


def numbers_of(result: MIRResult) -> dict[str, float]:
    """What is logged of a result; what could not be estimated is left out."""
    numbers = {f"eval_{metric.name}": metric.read(result) for metric in MIR_METRICS if metric.logged}
    for metric in LAYER_METRICS:
        if metric.logged:
            numbers |= {
                f"eval_mir_{metric.name}_layer_{layer.layer:02d}": metric.read(layer)
                for layer in result.layers
            }
    return {name: number for name, number in numbers.items() if number is not None}
