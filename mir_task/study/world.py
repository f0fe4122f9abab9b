"""Examples by number: which scenes each stage sees. Every stage draws its own stream of scenes."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from PIL import Image

from mir_task.builtin.drawing.chance import Random
from mir_task.study.picture import render
from mir_task.study.scene import Scene, Split, scene_of


class Stream(IntEnum):
    """Purpose of a scene; scenes of two streams of one split may coincide, those of two splits never do."""

    TEXT = 0
    VISION = 1
    CAPTIONS = 2
    QUESTIONS = 3
    PROBE_IMAGES = 4
    PROBE_TEXTS = 5
    BASELINES = 6
    TASKS = 7


class Example(NamedTuple):
    """A scene, its picture, and a generator for the wording of what is said about it."""

    scene: Scene
    image: Image.Image
    random: Random


def example(split: Split, stream: Stream, index: int, *, seed: int = 0) -> Example:
    """Example number ``index``.

    Args:
        split: train or heldout.
        stream: purpose of the example.
        index: from 0; the scene and its picture depend on split, stream and index only.
        seed: seed of the wording; another seed says other things about the same scene.
    """
    scene, random = text_example(split, stream, index, seed=seed)
    return Example(scene, render(scene, np.random.default_rng((int(stream), index, 1))), random)


def text_example(split: Split, stream: Stream, index: int, *, seed: int = 0) -> tuple[Scene, Random]:
    """Like :func:`example`, without the picture."""
    return scene_of(split, int(stream), index), np.random.default_rng((seed, int(stream), index, 2))
