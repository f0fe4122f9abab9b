"""Questions about a scene, by skill; answers are short and have one spelling."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mir_task.builtin.drawing.chance import Random, pick
from mir_task.study.captions import NUMBERS, article, place, relations
from mir_task.study.scene import COLOURS, SHAPES, Scene, Thing


class Question(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str


def ask(scene: Scene, skill: str, random: Random) -> Question | None:
    """A question of a skill; None where the scene allows none."""
    return SKILLS[skill](scene, random)


def ask_any(scene: Scene, count: int, random: Random) -> list[Question]:
    """Up to ``count`` different questions, the skills taking turns in a random order."""
    asked: list[Question] = []
    while len(asked) < count:
        order = random.permutation(len(SKILLS))
        new = [ask(scene, list(SKILLS)[int(number)], random) for number in order]
        fresh = [question for question in dict.fromkeys(new) if question and question not in asked]
        if not fresh:
            break
        asked += fresh
    return asked[:count]


def attribute(scene: Scene, random: Random) -> Question | None:
    """Colour, shape, size or material of a thing that its colour or its shape names."""
    kind = pick(random, ("colour", "shape", "size", "material"))
    if kind == "colour":
        alone = _alone(scene)
        return Question(f"What colour is the {alone.shape}?", alone.colour) if alone else None
    thing = pick(random, scene.things)
    if kind == "shape":
        return Question(f"What shape is the {thing.colour} thing?", thing.shape)
    if kind == "size":
        return Question(f"Is the {thing.colour} thing small or large?", thing.size)
    return Question(f"What material is the {thing.colour} thing?", thing.material)


def count(scene: Scene, random: Random) -> Question | None:
    """Number of things, of a shape or altogether."""
    if pick(random, (True, False)):
        return Question("How many things are there?", NUMBERS[len(scene.things)])
    shape = pick(random, scene.things).shape
    number = sum(other.shape == shape for other in scene.things)
    return Question(f"How many {_plural(shape)} are there?", NUMBERS[number])


def position(scene: Scene, random: Random) -> Question | None:
    """Place of a thing among the four cells."""
    thing = pick(random, scene.things)
    return Question(f"Where is the {thing.colour} thing?", place(thing))


def relation(scene: Scene, random: Random) -> Question | None:
    """The colour of a thing's neighbour."""
    found = relations(scene)
    if not found:
        return None
    first, relation, second = pick(random, found)
    return Question(f"What colour is the thing {relation} the {second.colour} one?", first.colour)


def reading(scene: Scene, random: Random) -> Question | None:
    """The word on the sign."""
    return Question("What does the sign say?", scene.word) if scene.word else None


def yesno(scene: Scene, random: Random) -> Question | None:
    """Presence of a thing; half of the things asked for are absent, but share a colour or a shape with one."""
    thing = pick(random, scene.things)
    if random.random() < 0.5:
        return Question(f"Is there {article(thing.name)}?", "yes")
    names = {other.name for other in scene.things}
    absent = [f"{colour} {thing.shape}" for colour in COLOURS] + [
        f"{thing.colour} {shape}" for shape in SHAPES
    ]
    return Question(
        f"Is there {article(pick(random, [name for name in absent if name not in names]))}?", "no"
    )


SKILLS: dict[str, Callable[[Scene, Random], Question | None]] = {
    "attribute": attribute,
    "count": count,
    "position": position,
    "relation": relation,
    "reading": reading,
    "yesno": yesno,
}


def _alone(scene: Scene) -> Thing | None:
    """The first thing that alone has its shape."""
    shapes = [thing.shape for thing in scene.things]
    return next((thing for thing in scene.things if shapes.count(thing.shape) == 1), None)


def _plural(shape: str) -> str:
    return f"{shape}es" if shape == "cross" else f"{shape}s"
