"""Questions about a scene, by skill; answers are short and have one spelling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """Colour, shape, size or material of a thing that one other property names."""
    kind = pick(random, ("colour", "shape", "size", "material"))
    if kind == "colour":
        thing = _only(scene, "shape", random)
        return Question(f"What colour is the {thing.shape}?", thing.colour) if thing else None
    if kind == "shape":
        thing = _only(scene, "colour", random)
        return Question(f"What shape is the {thing.colour} thing?", thing.shape) if thing else None
    thing = pick(random, scene.things)
    if kind == "size":
        return Question(f"Is the {thing.name} small or large?", thing.size)
    return Question(f"What material is the {thing.name}?", thing.material)


def count(scene: Scene, random: Random) -> Question | None:
    """How many things, of a shape, of a colour, or altogether."""
    thing = pick(random, scene.things)
    kind = pick(random, ("all", "shape", "colour"))
    if kind == "all":
        return Question("How many things are there?", NUMBERS[len(scene.things)])
    value = getattr(thing, kind)
    number = sum(getattr(other, kind) == value for other in scene.things)
    return Question(
        f"How many {_plural(value) if kind == 'shape' else f'{value} things'} are there?", NUMBERS[number]
    )


def position(scene: Scene, random: Random) -> Question | None:
    """Which of the six cells a thing is in."""
    thing = pick(random, scene.things)
    return Question(f"Where is the {thing.name}?", place(thing))


def relation(scene: Scene, random: Random) -> Question | None:
    """The colour and shape of a thing's neighbour."""
    found = relations(scene)
    if not found:
        return None
    first, relation, second = pick(random, found)
    return Question(f"What is {relation} the {second.name}?", first.name)


def reading(scene: Scene, random: Random) -> Question | None:
    """The word on the sign."""
    return Question("What does the sign say?", scene.word) if scene.word else None


def yesno(scene: Scene, random: Random) -> Question | None:
    """Whether a thing is there; half of the things asked for are not, but share a colour or a shape with one."""
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


def _only(scene: Scene, kind: str, random: Random) -> Thing | None:
    """A thing that alone has its shape or colour."""
    values = [getattr(thing, kind) for thing in scene.things]
    alone: Sequence[Thing] = [thing for thing in scene.things if values.count(getattr(thing, kind)) == 1]
    return pick(random, alone) if alone else None


def _plural(shape: str) -> str:
    return f"{shape}es" if shape == "cross" else f"{shape}s"
