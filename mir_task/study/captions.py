"""Captions of a scene in four lengths, each telling all that the shorter ones tell."""

from __future__ import annotations

from typing import Literal, get_args

from mir_task.builtin.drawing.chance import Random
from mir_task.study.scene import COLUMNS, ROWS, Scene, Thing

Length = Literal["short", "medium", "long", "detailed"]
LENGTHS: tuple[Length, ...] = get_args(Length)
NUMBERS = ("no", "one", "two", "three")


def caption(scene: Scene, length: Length, random: Random) -> str:
    """Caption of a scene.

    Args:
        scene: the scene to describe.
        length: ``short``: colours and shapes; ``medium``: where each is; ``long``: sizes, materials and the sign;
            ``detailed``: the number of things and how they lie to each other.
        random: shuffles the things.
    """
    things = [scene.things[int(index)] for index in random.permutation(len(scene.things))]
    if length == "short":
        return _sentence(_listed([article(thing.name) for thing in things]))
    full = length != "medium"
    sentences = [_place(thing, full) for thing in things]
    if full and scene.word is not None:
        sentences.append(f"A sign at the {scene.sign_at} says {scene.word}.")
    if length == "detailed":
        count = len(things)
        sentences.insert(0, f"There {'is' if count == 1 else 'are'} {_number_of_things(count)}.")
        sentences += [
            f"The {first.name} is {relation} the {second.name}."
            for first, relation, second in relations(scene)
        ]
        if scene.word is None:
            sentences.append("There is no sign.")
    return " ".join(sentences)


def relations(scene: Scene) -> list[tuple[Thing, str, Thing]]:
    """(thing, relation, thing) for neighbours, in both directions."""
    found = []
    for thing in scene.things:
        beside = scene.at(thing.cell + 1) if thing.column != COLUMNS[-1] else None
        below = scene.at(thing.cell + len(COLUMNS)) if thing.row != ROWS[-1] else None
        if beside:
            found += [(thing, "left of", beside), (beside, "right of", thing)]
        if below:
            found += [(thing, "above", below), (below, "below", thing)]
    return found


def article(noun: str) -> str:
    """The noun with ``a`` or ``an``."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def place(thing: Thing) -> str:
    """Place of a thing in words, such as ``upper left``."""
    return f"{thing.row} {thing.column}"


def _place(thing: Thing, full: bool) -> str:
    noun = f"{thing.size} {thing.material} {thing.name}" if full else thing.name
    return _sentence(f"{article(noun)} is at the {place(thing)}")


def _number_of_things(count: int) -> str:
    return f"{NUMBERS[count]} thing{'' if count == 1 else 's'}"


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
