"""Which images and texts are chosen, and which go together."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mir_task.data.arguments import ArgumentError
from mir_task.data.choice import Choice, choose, join

names = st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=30, unique=True)
seeds = st.integers(min_value=0, max_value=10**6)


def test_the_choice_is_part_of_the_protocol():
    # A change here changes every published number: raise the tasks' version with it.
    assert choose(map(str, range(1000)), 3, 0, "image") == ["794", "683", "65"]
    assert choose(map(str, range(1000)), 3, 1, "image") == ["836", "26", "156"]


@given(names, seeds, st.randoms())
def test_the_order_of_names_does_not_matter(names, seed, random):
    shuffled = random.sample(names, len(names))
    assert choose(shuffled, len(names), seed, "text") == choose(names, len(names), seed, "text")


@given(names, seeds, st.data())
def test_more_pairs_of_a_seed_are_the_same_pairs_and_more(names, seed, data):
    fewer = data.draw(st.integers(min_value=2, max_value=len(names)))
    named = {name: name for name in names}
    few, all_of_them = (
        join(named, named, Choice(count, seed), paired=False, what=("",)) for count in (fewer, len(names))
    )
    assert all_of_them[:fewer] == few


@given(names, names, seeds)
def test_joined_at_random_no_image_and_no_text_comes_twice(images, texts, seed):
    pairs = join(
        {name: f"image {name}" for name in images},
        {name: f"text {name}" for name in texts},
        Choice(seed=seed),
        paired=False,
        what=("",),
    )
    assert len(pairs) == min(len(images), len(texts))
    assert len({image for _, image, _ in pairs}) == len({text for _, _, text in pairs}) == len(pairs)
    for pair_id, image, text in pairs:
        assert pair_id == f"{image.removeprefix('image ')}+{text.removeprefix('text ')}"


@given(names, seeds)
def test_joined_by_name_each_text_goes_with_the_image_of_its_name(names, seed):
    pairs = join(
        {name: f"image {name}" for name in names},
        {name: f"text {name}" for name in reversed(names)},
        Choice(seed=seed),
        paired=True,
        what=("",),
    )
    assert sorted(pairs) == sorted((name, f"image {name}", f"text {name}") for name in names)


def test_a_hundred_are_chosen_where_no_number_is_given():
    many = {str(number): number for number in range(150)}
    assert len(join(many, many, Choice(), paired=False, what=("",))) == 100


def test_a_message_takes_the_words_of_whoever_set_the_arguments():
    with pytest.raises(ArgumentError) as caught:
        Choice(count=1)
    other = {
        argument: argument.value.upper() for argument in caught.value.args if not isinstance(argument, str)
    }
    assert str(caught.value) == "count must be a whole number of at least 2, got 1"
    assert caught.value.worded(other) == "COUNT must be a whole number of at least 2, got 1"
