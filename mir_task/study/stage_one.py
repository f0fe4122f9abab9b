"""Stage 1 of a run, ready to be trained, saved and gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from mir_task.study.batches import batch_indices, caption_of
from mir_task.study.captions import Length
from mir_task.study.chat import answer_loss, batch_of, chat_text
from mir_task.study.connectors import scale_output
from mir_task.study.experiments import Run
from mir_task.study.features import Features, features_for_pixels
from mir_task.study.layout import Layout
from mir_task.study.model import assemble
from mir_task.study.scales import Scale
from mir_task.study.training import Recipe, Training, autocast
from mir_task.study.unlocked import unlocked
from mir_task.training.moca import MoCa


class StageOne(Training):
    """Training of a model's unlocked parameters on captions.

    Args:
        model: a LLaVA; what is not unlocked is frozen already.
        processor: its processor.
        features: features of the pictures that captions are learnt of.
        run: settings and seed.
        scale: size of the study.
    """

    def __init__(self, model: Any, processor: Any, features: Features, run: Run, scale: Scale) -> None:
        settings = run.pretraining
        self._weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}

        def loss_of(step: int) -> Tensor:
            indices = batch_indices(run, scale, step)
            with autocast(model.device, scale.precision):
                return caption_loss(model, processor, features, indices, settings.caption)

        recipe = Recipe(settings.rate, settings.warmup, settings.schedule, clip=settings.clip)
        steps = settings.steps(scale)
        super().__init__(loss_of, self._weights.values(), recipe, steps, f"stage 1: {run.name}")

    def state(self) -> dict[str, Any]:
        """All that is needed to go on: what is trained, and what the optimizer and the schedule know."""
        return super().state() | {"weights": dict(self._weights)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from the state of a training of the same settings; its length may have been another."""
        super().restore(state)
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(state["weights"][name])


@contextmanager
def stage_one(model: Any, processor: Any, features: Features, run: Run, scale: Scale) -> Iterator[StageOne]:
    """The training of a run's stage 1, which changes the model in place; LoRA's updates are merged in at the end."""
    settings = run.pretraining
    with unlocked(model, settings.unlocked), features_for_pixels(model):
        model.model.multi_modal_projector.requires_grad_(True)
        if settings.moca:
            MoCa.attach(model)
        model.train()
        yield StageOne(model, processor, features, run, scale)


def new_model(run: Run, layout: Layout) -> tuple[Any, Any]:
    """Model and processor of a run before stage 1."""
    model, processor = assemble(layout.language, layout.vision, run.pretraining.connector, run.seed)
    scale_output(model.model.multi_modal_projector, run.pretraining.start)
    return model, processor


def caption_loss(
    model: Any, processor: Any, features: Features, indices: list[int], length: Length
) -> Tensor:
    """Mean loss per token of the captions of training pairs."""
    texts = [chat_text(processor, [("", caption_of(index, length))], images=1) for index in indices]
    return answer_loss(model, batch_of(processor, texts, features[indices]))
