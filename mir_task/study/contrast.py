"""Hard negatives for the contrastive training of the vision encoder: scenes that differ in one property."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mir_task.builtin.drawing.chance import Random, pick
from mir_task.study.scene import COLOURS, COLUMNS, MATERIALS, ROWS, SHAPES, SIZES, WORDS, Scene, Thing

VALUES = {"shape": SHAPES, "colour": COLOURS, "size": SIZES, "material": MATERIALS}


def edited(scene: Scene, random: Random) -> Scene:
    """The scene with one property of one thing changed, its place among them, or with another word on the sign.

    Batches of random scenes are told apart by their colours and numbers alone, and an encoder that learns from
    nothing else is blind to shapes and places. Scenes that are nearly the same have to be told apart by all there
    is (the remedy of Yuksekgonul et al., "When and why vision-language models behave like bags-of-words", ICLR 2023).

    Args:
        scene: what to change.
        random: chooses what is changed and to what.

    Returns:
        A scene of the same split.
    """
    while True:
        other = _edit(scene, random)
        colours = {thing.colour for thing in other.things}
        if other != scene and len(colours) == len(other.things) and other.split == scene.split:
            return other


def _edit(scene: Scene, random: Random) -> Scene:
    kinds = ["cell", *VALUES]
    if scene.word is not None:
        kinds.append("word")
    kind = pick(random, kinds)
    if kind == "word":
        return replace(scene, word=pick(random, WORDS))
    chosen = pick(random, scene.things)
    others = [thing for thing in scene.things if thing is not chosen]
    if kind == "cell":
        taken = {thing.cell for thing in others}
        free = [cell for cell in range(len(ROWS) * len(COLUMNS)) if cell not in taken]
        changed: Thing = replace(chosen, cell=pick(random, free))
    else:
        value: dict[str, Any] = {kind: pick(random, VALUES[kind])}
        changed = replace(chosen, **value)
    return replace(scene, things=tuple(sorted([*others, changed])))
