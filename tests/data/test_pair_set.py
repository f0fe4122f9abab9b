"""A set of pairs is a sequence that opens them one at a time."""

import re
from collections.abc import Sequence

import hypothesis.strategies as st
import pytest
from hypothesis import given
from PIL import Image

from mir_task import MIRDataError, Pair, Protocol, measure
from mir_task.data import PairSet, builtin_pairs, local_pairs
from mir_task.data.builtin import BUILTIN_FOLDER

SIZE = 10


@pytest.fixture(scope="module")
def ten():
    return builtin_pairs(count=SIZE)


def test_iterating_gives_each_image_with_its_text(ten):
    assert isinstance(ten, Sequence) and len(ten) == SIZE
    for pair, name in zip(ten, ten.ids, strict=True):
        image, text = name.split("+")
        assert isinstance(pair, Pair) and pair.id == name
        with Image.open(BUILTIN_FOLDER / "images" / f"{image}.jpg") as expected:
            assert pair.image == expected.convert("RGB")
        assert pair.text == (BUILTIN_FOLDER / "texts" / f"{text}.txt").read_text(encoding="utf-8").strip()


@given(st.integers(min_value=-SIZE, max_value=SIZE - 1))
def test_an_index_counts_as_that_of_a_list(ten, index):
    assert ten[index].id == ten.ids[index]


@given(st.integers(min_value=SIZE) | st.integers(max_value=-SIZE - 1))
def test_an_index_beyond_the_pairs_is_an_index_error(ten, index):
    with pytest.raises(IndexError):
        ten[index]
    with pytest.raises(IndexError):
        ten.subset([0, index])


@given(st.slices(SIZE))
def test_a_slice_is_a_set_of_the_pairs_that_a_list_would_give(ten, part):
    chosen = ten[part]
    assert isinstance(chosen, PairSet) and chosen.source == ten.source
    assert chosen.ids == ten.ids[part]


@given(st.lists(st.integers(min_value=-SIZE, max_value=SIZE - 1)), st.data())
def test_a_subset_of_a_subset_is_in_the_order_asked_for(ten, numbers, data):
    chosen = ten.subset(numbers)
    assert chosen.ids == [ten.ids[number] for number in numbers]
    if numbers:
        again = data.draw(st.lists(st.integers(min_value=0, max_value=len(numbers) - 1), max_size=5))
        assert chosen.subset(again).ids == [ten.ids[numbers[number]] for number in again]


def test_only_the_pair_that_is_asked_for_is_opened(folders):
    images, _ = folders
    pairs = local_pairs(*folders)
    for file in images.iterdir():
        file.unlink()
    Image.new("RGB", (7, 5)).save(images / "3.png")
    assert len(pairs) == len(pairs.ids) == len(pairs[::2]) * 2 == 8
    number = next(number for number, name in enumerate(pairs.ids) if name.startswith("3+"))
    assert pairs[number].image.size == (7, 5)
    gone = (number + 1) % 8
    with pytest.raises(MIRDataError, match=re.escape(f"pair {pairs.ids[gone]}: cannot read the image")):
        pairs[gone]


def test_images_that_cannot_be_read_may_wait_until_they_are_asked_for(folders):
    images, _ = folders
    (images / "3.png").write_bytes(b"not an image")
    with pytest.raises(MIRDataError, match="cannot read the image"):
        local_pairs(*folders)
    assert len(local_pairs(*folders, check_images=False)) == 8


def test_measure_takes_a_set_as_it_takes_a_list(llava, pairs):
    taken = measure(*llava, builtin_pairs(count=len(pairs)), progress=False)
    expected = measure(*llava, pairs, progress=False)
    assert taken.mir == expected.mir
    assert taken.layers == expected.layers
    assert taken.protocol.pair_ids == expected.protocol.pair_ids == [pair.id for pair in pairs]


def test_its_protocol_is_where_the_pairs_come_from():
    assert builtin_pairs(count=3, seed=5).protocol == Protocol(
        images="mir_task.builtin", texts="mir_task.builtin", paired=False, seed=5
    )
    assert PairSet(builtin_pairs(count=3).dataset).protocol == Protocol()


def test_ungraded_pairs_have_no_levels(ten):
    assert ten.levels is None


def test_it_shows_how_many_and_where_from(ten):
    assert repr(ten) == "PairSet(10 pairs, images='mir_task.builtin', texts='mir_task.builtin')"
