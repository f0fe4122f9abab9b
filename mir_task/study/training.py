"""The training loop that all stages share: AdamW, warm-up, a schedule, clipping, a curve."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pandas as pd
import torch
from torch import Tensor
from tqdm import trange
from transformers import get_scheduler

from mir_task.errors import MIRModelError

SHOWN_EVERY = 2.0
"""Seconds between two updates of a progress bar."""
WSD: Literal["wsd"] = "wsd"
"""Warm-up, stable rate, decay: transformers' ``warmup_stable_decay``."""
WSD_WARMUP = 10
"""Steps of its warm-up, the same at every length, so that trainings of all lengths begin alike."""
WSD_DECAY = 0.2
"""Share of its steps in which the rate falls, linearly (Hu et al., MiniCPM, arXiv 2404.06395, take 0.1)."""
Schedule = Literal["cosine", "linear", "constant_with_warmup", "wsd"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Recipe:
    """Settings of the optimizer; the defaults are LLaVA's but for the learning rate."""

    learning_rate: float
    warmup: float = 0.03
    """Share of the steps; WSD has a number of its own."""
    schedule: Schedule = "cosine"
    weight_decay: float = 0.0
    clip: float = 1.0
    """Largest norm of the gradient."""


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Context of forward passes in a precision; losses leave it in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


class Point(NamedTuple):
    """Row of a training curve, written after one step."""

    step: int
    """Number of the step, from 1."""
    loss: float
    learning_rate: float
    gradient_norm: float
    """Norm before clipping."""
    seconds: float
    """Time since the start, or since the training was gone on with."""


class Training:
    """A training that can be stopped, saved and gone on with.

    Args:
        loss_of: gives the loss of step number ``index``, from 0, on a batch of its own.
        parameters: the trained parameters.
        recipe: settings of the optimizer.
        steps: length of the schedule.
        description: text of the progress bar.
    """

    def __init__(
        self,
        loss_of: Callable[[int], Tensor],
        parameters: Iterable[Any],
        recipe: Recipe,
        steps: int,
        description: str,
    ) -> None:
        self._loss_of, self._trained, self._description = loss_of, list(parameters), description
        self._clip = recipe.clip
        self._optimizer = torch.optim.AdamW(
            self._trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        stable = recipe.schedule == WSD
        decay = {"num_decay_steps": round(WSD_DECAY * steps), "decay_type": "linear"}
        self._schedule = get_scheduler(
            "warmup_stable_decay" if stable else recipe.schedule,
            self._optimizer,
            WSD_WARMUP if stable else round(recipe.warmup * steps),
            steps,
            scheduler_specific_kwargs=decay if stable else None,
        )
        self.step = 0

    def state(self) -> dict[str, Any]:
        """What the optimizer and the schedule know, without the parameters."""
        return {
            "step": self.step,
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of a training of the same parameters; its schedule may have had another length."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self.step = state["step"]

    def run(self, stop: int) -> pd.DataFrame:
        """Train until ``stop`` steps are done.

        Returns:
            The curve: a row for each step, with the columns of :class:`Point`.

        Raises:
            MIRModelError: the loss is NaN or Inf.
        """
        started, curve = time.perf_counter(), []
        bar = trange(self.step, stop, desc=self._description, unit="step", mininterval=SHOWN_EVERY)
        for index in bar:
            loss = self._loss_of(index)
            if not torch.isfinite(loss):
                raise MIRModelError(
                    f"{self._description}: the loss is {float(loss.detach())} at step {index + 1}"
                )
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(self._trained, self._clip)
            rate = self._schedule.get_last_lr()[0]
            self._optimizer.step()
            self._schedule.step()
            self.step = index + 1
            seconds = time.perf_counter() - started
            curve.append(Point(self.step, float(loss.detach()), rate, float(norm), seconds))
            bar.set_postfix(loss=f"{curve[-1].loss:.3f}", refresh=False)
        return pd.DataFrame(curve, columns=Point._fields)


def train(
    loss_of: Callable[[int], Tensor],
    parameters: Iterable[Any],
    recipe: Recipe,
    steps: int,
    description: str,
    stop: int | None = None,
) -> pd.DataFrame:
    """Minimise a loss; arguments and errors are those of :class:`Training`.

    Args:
        loss_of: gives the loss of step number ``index``.
        parameters: the trained parameters.
        recipe: settings of the optimizer.
        steps: length of the schedule.
        description: text of the progress bar.
        stop: number of steps after which training stops, in the middle of the schedule; None: at its end.

    Returns:
        The curve.
    """
    return Training(loss_of, parameters, recipe, steps, description).run(steps if stop is None else stop)


def final_loss(curve: pd.DataFrame, share: float = 0.1) -> float:
    """Mean loss over the last ``share`` of a training's steps, of which a curve may have the last alone."""
    steps = int(curve["step"].iloc[-1])
    return float(curve["loss"].tail(max(1, round(share * steps))).mean())


def training_seconds(curve: pd.DataFrame) -> float:
    """Time that a curve's steps took, by their median: a process that was stopped for a while did not train."""
    each = curve["seconds"].diff().fillna(curve["seconds"].iloc[0])
    return float(each.median()) * len(curve)
