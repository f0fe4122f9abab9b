"""Scenes: a few things in a grid of cells, each with shape, colour, size and material, and perhaps a sign."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mir_task.builtin.drawing.chance import Random, pick, pick_many

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
COLOURS = ("red", "green", "blue", "yellow", "purple", "white")
SIZES = ("small", "large")
MATERIALS = ("smooth", "striped")
ROWS, COLUMNS = ("upper", "lower"), ("left", "right")
WORDS = ("TEA", "BUS", "CAFE", "OPEN", "EXIT", "MILK", "TAXI", "STOP", "ZOO", "PARK", "ICE", "KEY")
MAX_THINGS = 3
SIGN_PROBABILITY = 0.5

Split = Literal["train", "heldout"]
HELDOUT_SHARE = 8
"""One in so many of all possible scenes is held out."""


@dataclass(frozen=True, order=True)
class Thing:
    """One thing; ``cell`` counts row by row from the upper left."""

    cell: int
    shape: str
    colour: str
    size: str
    material: str

    @property
    def row(self) -> str:
        """``upper`` or ``lower``."""
        return ROWS[self.cell // len(COLUMNS)]

    @property
    def column(self) -> str:
        """``left`` or ``right``."""
        return COLUMNS[self.cell % len(COLUMNS)]

    @property
    def name(self) -> str:
        """Colour and shape; no other thing in the scene has the same colour."""
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class Scene:
    """Things in the order of their cells, and the word of the sign, which hangs above or below them."""

    things: tuple[Thing, ...]
    word: str | None
    sign_at: Literal["top", "bottom"]

    @property
    def split(self) -> Split:
        """Train or held out, by a hash of all that makes up the scene: no scene is ever in both."""
        digest = hashlib.sha256(repr(self).encode()).digest()
        return "heldout" if int.from_bytes(digest[:4], "big") % HELDOUT_SHARE == 0 else "train"

    def at(self, cell: int) -> Thing | None:
        """The thing in a cell."""
        return next((thing for thing in self.things if thing.cell == cell), None)


def scene_of(split: Split, seed: int, index: int) -> Scene:
    """Scene number ``index`` of a split; the same on every machine.

    Args:
        split: drawn until a scene of this split comes up.
        seed: scenes of other seeds are others, but of the same split.
        index: from 0.
    """
    random = np.random.default_rng((seed, index, split == "heldout"))
    while True:
        scene = draw_scene(random)
        if scene.split == split:
            return scene


def draw_scene(random: Random) -> Scene:
    """Draw a scene of one to three things."""
    count = int(random.integers(1, MAX_THINGS + 1))
    cells = sorted(int(cell) for cell in random.choice(len(ROWS) * len(COLUMNS), count, replace=False))
    # Repeated shapes, so that counting is worth asking; a colour is enough to name a thing.
    shapes, colours = pick_many(random, SHAPES, 2), pick_many(random, COLOURS, count)
    things = tuple(
        Thing(cell, pick(random, shapes), colour, pick(random, SIZES), pick(random, MATERIALS))
        for cell, colour in zip(cells, colours, strict=True)
    )
    word = pick(random, WORDS) if random.random() < SIGN_PROBABILITY else None
    return Scene(things, word, "top" if random.random() < 0.5 else "bottom")
