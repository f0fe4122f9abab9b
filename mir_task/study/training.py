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


@dataclass(frozen=True)
class Recipe:
    """Settings of the optimizer; the defaults are LLaVA's but for the learning rate."""

    learning_rate: float
    warmup: float = 0.03
    """Share of the steps."""
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    weight_decay: float = 0.0
    clip: float = 1.0
    """Largest norm of the gradient."""


class Point(NamedTuple):
    """Row of a training curve, written after one step."""

    step: int
    """Number of the step, from 1."""
    loss: float
    learning_rate: float
    gradient_norm: float
    """Norm before clipping."""
    seconds: float
    """Time since the start."""


def train(
    loss_of: Callable[[int], Tensor],
    parameters: Iterable[Any],
    recipe: Recipe,
    steps: int,
    description: str,
    stop: int | None = None,
) -> pd.DataFrame:
    """Minimise a loss.

    Args:
        loss_of: gives the loss of step number ``index``, from 0, on a batch of its own.
        parameters: the trained parameters.
        recipe: settings of the optimizer.
        steps: length of the schedule.
        description: text of the progress bar.
        stop: number of steps after which training stops, in the middle of the schedule; None: at its end.

    Returns:
        The curve: a row for each step, with the columns of :class:`Point`.

    Raises:
        MIRModelError: the loss is NaN or Inf.
    """
    trained = list(parameters)
    optimizer = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = get_scheduler(recipe.schedule, optimizer, round(recipe.warmup * steps), steps)
    started, curve = time.perf_counter(), []
    bar = trange(steps if stop is None else stop, desc=description, unit="step", mininterval=SHOWN_EVERY)
    for index in bar:
        loss = loss_of(index)
        if not torch.isfinite(loss):
            raise MIRModelError(f"{description}: the loss is {float(loss.detach())} at step {index + 1}")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(trained, recipe.clip)
        rate = schedule.get_last_lr()[0]
        optimizer.step()
        schedule.step()
        seconds = time.perf_counter() - started
        curve.append(Point(index + 1, float(loss.detach()), rate, float(norm), seconds))
        bar.set_postfix(loss=f"{curve[-1].loss:.3f}", refresh=False)
    return pd.DataFrame(curve, columns=Point._fields)


def final_loss(curve: pd.DataFrame, share: float = 0.1) -> float:
    """Mean loss over the last ``share`` of a curve's steps."""
    return float(curve["loss"].tail(max(1, round(share * len(curve)))).mean())
