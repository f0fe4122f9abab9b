"""Baselines that could stand in for MIR before SFT: caption perplexity and 2-shot in-context score."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from mir_task.study.captions import caption
from mir_task.study.chat import IGNORED, Answers, answers_of, batch_of, chat_text
from mir_task.study.questions import SKILLS, ask
from mir_task.study.scales import Scale
from mir_task.study.world import Stream, example

SHOTS = 2
SHOT_OFFSET = 10**6
"""Number of the first example in a prompt, beyond those that the perplexity uses."""
PROMPT_STRIDE = 1000
"""Distance between the first examples of two prompts."""


def caption_perplexity(model: Any, processor: Any, scale: Scale) -> float:
    """Perplexity per token of the long captions of held-out scenes, each given its image.

    Args:
        model: LLaVA.
        processor: its processor.
        scale: how many scenes.
    """
    total, tokens = 0.0, 0
    for indices in _batches(scale, "baselines: perplexity"):
        examples = [example("heldout", Stream.BASELINES, index) for index in indices]
        texts = [
            chat_text(processor, [("", caption(scene, "long", random))], images=1)
            for scene, _, random in examples
        ]
        batch = batch_of(processor, texts, [image for _, image, _ in examples])
        answers = _answers(model, batch)
        total += float(cross_entropy(answers.logits, answers.targets, reduction="sum"))
        tokens += len(answers.targets)
    return math.exp(total / tokens)


def in_context_score(model: Any, processor: Any, scale: Scale) -> float:
    """Share of held-out questions answered exactly after two solved ones of the same skill, each with its image.

    The skills take turns. Nothing is generated. Under teacher forcing an answer is right if each of its tokens and
    the end of sequence is the most likely one; greedy decoding gives the answer in exactly these cases.
    """
    right: list[bool] = []
    for indices in _batches(scale, "baselines: in context"):
        texts, images = [], []
        for index in indices:
            turns, shown = in_context_prompt(index)
            texts.append(chat_text(processor, turns, images=len(turns)))
            images += shown
        batch = batch_of(processor, texts, images)
        answers = _answers(model, _last_answer_only(batch))
        wrong = answers.rows[answers.logits.argmax(-1) != answers.targets]
        right += [row not in wrong for row in range(len(texts))]
    return sum(right) / len(right)


def in_context_prompt(number: int) -> tuple[list[tuple[str, str]], list[Any]]:
    """Turns and images of a prompt: two solved questions and the one to answer, each about its own image."""
    skill = list(SKILLS)[number % len(SKILLS)]
    turns: list[tuple[str, str]] = []
    images = []
    index = SHOT_OFFSET + PROMPT_STRIDE * number
    while len(turns) <= SHOTS:
        scene, image, random = example("heldout", Stream.BASELINES, index)
        question = ask(scene, skill, random)
        if question:
            turns.append(question)
            images.append(image)
        index += 1
    return turns, images


def _last_answer_only(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The batch with labels on the last answer only."""
    labels = batch["labels"].clone()
    for row in labels:
        kept = (row != IGNORED).nonzero().flatten()
        gaps = (kept.diff() > 1).nonzero().flatten()
        row[: kept[gaps[-1] + 1]] = IGNORED
    return {**batch, "labels": labels}


def _answers(model: Any, batch: dict[str, Tensor]) -> Answers:
    with torch.inference_mode():
        return answers_of(model.eval(), batch)


def _batches(scale: Scale, description: str) -> Iterator[range]:
    size = scale.batch_size
    for first in tqdm(range(0, scale.baseline_examples, size), desc=description, unit="batch"):
        yield range(first, min(first + size, scale.baseline_examples))
