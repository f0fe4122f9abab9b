"""Which training pairs each step of stage 1 sees."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mir_task.study.captions import Length, caption
from mir_task.study.experiments import Run, most_pairs, runs
from mir_task.study.scales import Scale
from mir_task.study.training import WSD
from mir_task.study.world import Stream, text_example

WINDOW = 5
"""Batches among which captions are sorted by their length."""


def batch_indices(run: Run, scale: Scale, step: int) -> list[int]:
    """Numbers of the pairs of step ``step``, from 0.

    An epoch goes through a run's pairs in an order of its own. With warm-up, stable rate and decay, a shorter training
    is a beginning of the longest, so that it can branch from it; captions of one length share a batch, which spares
    padding.
    """
    settings, size = run.pretraining, scale.batch_size
    if settings.schedule == WSD:
        window, batch = divmod(step, WINDOW)
        return list(_window(run.seed, settings.caption, most_pairs(scale), size, window)[batch])
    count = settings.pairs(scale)
    epoch, batch = divmod(step, count // size)
    order = np.random.default_rng((run.seed, epoch)).permutation(count)
    chosen: list[int] = order[batch * size : (batch + 1) * size].tolist()
    return chosen


def pictures(scale: Scale) -> int:
    """Number of pictures that stage 1 of a scale's runs draws from."""
    if any(run.pretraining.schedule == WSD for run in runs(scale)):
        return most_pairs(scale)
    return max(run.pretraining.pairs(scale) for run in runs(scale))


@lru_cache(maxsize=4)
def _window(seed: int, length: Length, count: int, size: int, number: int) -> list[list[int]]:
    order = np.random.default_rng((seed, 0)).permutation(count)
    members = order[number * WINDOW * size : (number + 1) * WINDOW * size].tolist()
    members.sort(key=lambda index: len(caption_of(index, length)))
    batches = [members[first : first + size] for first in range(0, len(members), size)]
    shuffled = np.random.default_rng((seed, 1, number)).permutation(len(batches))
    return [batches[place] for place in shuffled]


def caption_of(index: int, length: Length) -> str:
    """Caption of training pair number ``index``."""
    scene, random = text_example("train", Stream.CAPTIONS, index)
    return caption(scene, length, random)
