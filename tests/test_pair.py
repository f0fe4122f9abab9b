"""Pairs given directly: their images as models get them, their texts, their names."""

import re

import numpy as np
import pytest
from PIL import Image

from mir_task import MIRDataError, Pair, measure
from mir_task.measurement.perplexity import caption_perplexity
from mir_task.pair import opened

IMAGE = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))


def opened_one(*given):
    return opened([given], 0)


# Images


@pytest.fixture(scope="module")
def grey(pairs):
    return [
        Pair(pair.image.convert("L").resize((40, 30)), pair.text[:100], str(number))
        for number, pair in enumerate(pairs)
    ]


def deeper(pairs, array):
    return [pair._replace(image=Image.fromarray(array(np.asarray(pair.image)))) for pair in pairs]


DEEPER = {
    "16 bits": lambda values: values.astype(np.uint16) * 257,
    "floats to 1": lambda values: values / np.float32(255),
    "floats to 255": lambda values: values.astype(np.float32),
}


@pytest.mark.parametrize("kind", DEEPER)
def test_more_bits_are_measured_as_the_same_pictures_in_8(shared_llava, grey, kind):
    expected = measure(*shared_llava, grey, progress=False)
    found = measure(*shared_llava, deeper(grey, DEEPER[kind]), progress=False)
    assert found.mir == expected.mir
    assert found.layers == expected.layers


def test_perplexity_is_of_the_same_pictures(shared_llava, grey):
    found = caption_perplexity(*shared_llava, deeper(grey, DEEPER["16 bits"]), progress=False)
    assert found.caption_ppl == caption_perplexity(*shared_llava, grey, progress=False).caption_ppl


def test_a_photograph_is_measured_upright(shared_llava, grey):
    lying = [pair._replace(image=pair.image.transpose(Image.Transpose.ROTATE_90)) for pair in grey]
    for pair in lying:
        exif = Image.Exif()
        exif[0x0112] = 6
        pair.image.info["exif"] = exif.tobytes()
    expected = measure(*shared_llava, grey, progress=False)
    found = measure(*shared_llava, lying, progress=False)
    assert found.layers == expected.layers
    assert found.protocol.orientation == "exif"


def test_a_picture_without_a_known_white_names_its_pair_and_can_be_skipped(shared_llava, grey):
    grey = [*grey[:2], *deeper(grey[2:3], lambda values: values.astype(np.int32)), *grey[3:]]
    with pytest.raises(MIRDataError, match=r"^pair 2: its pixels are integers of \d+ to \d+ \(mode I\)"):
        measure(*shared_llava, grey, progress=False)
    with pytest.raises(MIRDataError, match=r"^pair 2: its pixels are integers"):
        caption_perplexity(*shared_llava, grey, progress=False)
    result = measure(*shared_llava, grey, progress=False, on_error="skip")
    assert [pair.number for pair in result.skipped] == [2]


def test_a_truncated_image_is_an_error_though_pil_was_told_to_fill_it(tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)  # lmms-eval does
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "image.png")
    (tmp_path / "image.png").write_bytes((tmp_path / "image.png").read_bytes()[:2000])
    with Image.open(tmp_path / "image.png") as image:
        pair = opened_one(image, "text", "a")
        with pytest.raises(MIRDataError, match="^pair a: .*truncated"):
            np.asarray(pair.rgb)


def test_postscript_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_, **__: pytest.fail("it was"))
    IMAGE.save(tmp_path / "image.eps")
    with Image.open(tmp_path / "image.eps") as image:
        for name in ("a", None):
            with pytest.raises(MIRDataError, match="^pair (a|number 1): it is EPS"):
                opened_one(image, "text", name)


# Texts


@pytest.mark.parametrize(("name", "called"), [("a", "pair a"), (None, "pair number 1")])
def test_half_a_character_in_a_text_names_its_pair(name, called):
    with pytest.raises(MIRDataError, match=f"^{called}: the text: character 4 is the lone surrogate U.D83D"):
        opened_one(IMAGE, "One\ud83d", name)


def test_a_whole_character_beyond_the_basic_plane_is_none_of_these():
    assert opened_one(IMAGE, "One \U0001f600").text == "One \U0001f600"


def test_a_pair_with_half_a_character_can_be_skipped(shared_llava, grey):
    grey = [*grey, Pair(grey[0].image, "\udc00 half", None)]
    result = measure(*shared_llava, grey, progress=False, on_error="skip")
    assert [(pair.number, pair.reason[:25]) for pair in result.skipped] == [(6, "pair number 7: the text: ")]


# Names


@pytest.mark.parametrize(("given", "name"), [("a", "a"), (5, "5"), (0, "0"), (np.int64(7), "7"), (-1, "-1")])
def test_an_id_is_a_string_or_a_whole_number(given, name):
    assert opened_one(IMAGE, "text", given).name == name


def test_whole_numbers_as_ids_reach_the_result(shared_llava, grey):
    numbered = [pair._replace(id=number) for number, pair in enumerate(grey)]
    assert measure(*shared_llava, numbered, progress=False).protocol.pair_ids == list("012345")


@pytest.mark.parametrize("given", [None, ""])
def test_without_an_id_the_content_names_a_pair(given):
    first, second = opened_one(IMAGE, "text", given).name, opened_one(IMAGE, "text").name
    assert first == second and re.fullmatch("[0-9a-f]{16}", first)
    assert opened_one(IMAGE, "another", given).name != first


@pytest.mark.parametrize("given", [1.5, True, b"a", ("a",)])
def test_any_other_id_is_named(given):
    message = f"the id must be a string or a whole number, got {given!r} ({type(given).__name__})"
    with pytest.raises(MIRDataError, match=re.escape(f"pair number 1: {message}")):
        opened_one(IMAGE, "text", given)


def test_half_a_character_in_an_id_names_the_pair_by_its_number():
    with pytest.raises(MIRDataError, match="^pair number 1: the id: character 2 is the lone surrogate"):
        opened_one(IMAGE, "text", "a\ud800")
