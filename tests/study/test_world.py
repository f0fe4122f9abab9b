from dataclasses import astuple

import numpy as np
import pytest
from PIL import Image

from mir_task.study.captions import LENGTHS, NUMBERS, caption
from mir_task.study.contrast import edited
from mir_task.study.picture import IMAGE_SIZE, RGB, SIGN_HEIGHT, render
from mir_task.study.questions import SKILLS, ask, ask_any
from mir_task.study.scene import COLOURS, COLUMNS, ROWS, SHAPES, Scene, Thing, scene_of
from mir_task.study.task import heldout_questions
from mir_task.study.world import Stream, example, text_example


def scenes(split, count=300):
    return [scene_of(split, 0, index) for index in range(count)]


def of_colour(scene, colour):
    (thing,) = [thing for thing in scene.things if thing.colour == colour]
    return thing


def spot(thing):
    return divmod(thing.cell, 2)


def test_splits_share_no_scene():
    train, heldout = (
        {scene_of(split, int(stream), index) for stream in Stream for index in range(150)}
        for split in ("train", "heldout")
    )
    assert len(train) > 1000 and len(heldout) > 1000
    assert not train & heldout
    # And it is no matter of luck: what decides is the scene itself.
    assert {scene.split for scene in train} == {"train"}
    assert {scene.split for scene in heldout} == {"heldout"}


def test_an_example_is_the_same_every_time_and_another_seed_only_words_it_otherwise():
    first, second, other = (example("train", Stream.CAPTIONS, 7, seed=seed) for seed in (0, 0, 1))
    assert first.scene == second.scene == other.scene
    assert first.image.tobytes() == second.image.tobytes() == other.image.tobytes()
    told = [[caption(e.scene, "long", e.random) for _ in range(4)] for e in (first, second, other)]
    assert told[0] == told[1] != told[2]
    assert text_example("train", Stream.CAPTIONS, 7)[0] == first.scene


@pytest.mark.parametrize("colour", COLOURS)
def test_things_are_where_and_what_the_scene_says(colour):
    for cell in range(4):
        scene = Scene((Thing(cell, "square", colour, "large", "smooth"),), None, "top")
        pixels = np.asarray(render(scene, np.random.default_rng(cell)), dtype=float)
        row, column = divmod(cell, 2)
        x, y = round((column + 0.5) * IMAGE_SIZE / 2), round((row + 0.5) * IMAGE_SIZE / 2)
        assert np.abs(pixels[y - 2 : y + 3, x - 2 : x + 3].mean((0, 1)) - RGB[colour]).max() < 8


def test_shapes_and_materials_look_different():
    def picture(**changes):
        settings = {"cell": 1, "shape": "circle", "colour": "red", "size": "large", "material": "smooth"}
        scene = Scene((Thing(**{**settings, **changes}),), None, "top")
        return np.asarray(render(scene, np.random.default_rng(0)), dtype=float)

    pictures = [picture(shape=shape) for shape in SHAPES]
    pictures += [picture(material="striped"), picture(size="small")]
    noise = np.abs(picture() - pictures[0]).mean()
    for index, one in enumerate(pictures):
        for other in pictures[index + 1 :]:
            assert np.abs(one - other).mean() > noise + 0.5


@pytest.mark.parametrize("place", ["top", "bottom"])
def test_sign_hangs_where_the_scene_says(place):
    thing = Thing(1, "circle", "red", "small", "smooth")
    bare, signed = (
        np.asarray(render(Scene((thing,), word, place), np.random.default_rng(3)).convert("L"), dtype=float)
        for word in (None, "TEA")
    )
    edge = round(SIGN_HEIGHT * IMAGE_SIZE) - 3
    strips = {"top": signed[3:edge], "bottom": signed[-edge:-3]}
    # Paper and ink: the strip with the sign has both near white and near black, the ground neither.
    for name, strip in strips.items():
        assert (strip.max() > 220 and strip.min() < 90) == (name == place)
    assert bare[-edge:-3].max() < 220


def test_captions_of_greater_length_are_longer_and_tell_all():
    for scene in scenes("train", 100):
        told = [caption(scene, length, np.random.default_rng(0)) for length in LENGTHS]
        assert [len(text) for text in told] == sorted(len(text) for text in told)
        for text in told:
            assert all(thing.name in text for thing in scene.things)
        if scene.word:
            assert scene.word in told[2] and scene.word in told[3] and scene.word not in told[1]
        assert NUMBERS[len(scene.things)] in told[3]


def check(scene, skill, question, answer):
    """Whether an answer is right, worked out from the words of the question."""
    words = question.rstrip("?").split()
    if skill == "position":
        row, column = spot(of_colour(scene, words[-2]))
        assert answer == f"{ROWS[row]} {COLUMNS[column]}"
    elif skill == "relation":
        (row, column), (row2, column2) = spot(of_colour(scene, answer)), spot(of_colour(scene, words[-2]))
        step = {"left": (0, -1), "right": (0, 1), "above": (-1, 0), "below": (1, 0)}[words[5]]
        assert (row - row2, column - column2) == step
    elif skill == "count":
        shape = words[2].removesuffix("es") if words[2] == "crosses" else words[2].removesuffix("s")
        right = [thing for thing in scene.things if shape in ("thing", thing.shape)]
        assert answer == NUMBERS[len(right)]
    elif skill == "yesno":
        assert answer == ("yes" if " ".join(words[-2:]) in [t.name for t in scene.things] else "no")
    elif skill == "reading":
        assert answer == scene.word
    elif words[1] == "colour":
        assert [thing.colour for thing in scene.things if thing.shape == words[-1]] == [answer]
    else:
        kind = words[1] if words[0] == "What" else "size"
        assert getattr(of_colour(scene, words[-2] if words[0] == "What" else words[2]), kind) == answer


def test_an_edited_scene_differs_in_one_property():
    for index, scene in enumerate(scenes("train", 200)):
        other = edited(scene, np.random.default_rng(index))
        assert other.split == "train" and len({thing.colour for thing in other.things}) == len(scene.things)
        gone, new = set(scene.things) - set(other.things), set(other.things) - set(scene.things)
        if scene.word != other.word:
            assert not gone and not new and None not in (scene.word, other.word)
        else:
            (before,), (after,) = gone, new
            assert sum(a != b for a, b in zip(astuple(before), astuple(after), strict=True)) == 1


@pytest.mark.parametrize("skill", SKILLS)
def test_answers_are_right(skill):
    asked = 0
    for index, scene in enumerate(scenes("heldout")):
        question = ask(scene, skill, np.random.default_rng(index))
        if question:
            check(scene, skill, *question)
            asked += 1
    assert asked > 100


def test_questions_about_a_scene_differ_and_cover_the_skills():
    for index, scene in enumerate(scenes("train", 50)):
        asked = ask_any(scene, 6, np.random.default_rng(index))
        assert len(asked) == len({question for question, _ in asked}) <= 6
        assert len(asked) >= 5


@pytest.mark.parametrize("skill", SKILLS)
def test_heldout_questions_are_of_heldout_scenes_and_no_answer_is_the_rule(skill):
    rows = heldout_questions(skill, 120)
    assert rows == heldout_questions(skill, 120) and len(rows) == 120
    answers = [row["answer"] for row in rows]
    most = max(answers.count(answer) for answer in answers) / len(answers)
    assert most < {"yesno": 0.62, "count": 0.62}.get(skill, 0.35)


def test_pictures_are_rgb_of_the_size_that_the_models_take():
    image = example("train", Stream.VISION, 0).image
    assert isinstance(image, Image.Image) and image.mode == "RGB" and image.size == (IMAGE_SIZE, IMAGE_SIZE)
