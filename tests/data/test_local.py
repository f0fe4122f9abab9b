"""Pairs of a user's own files."""

import json
import os
import warnings
from pathlib import Path

import pytest
from PIL import Image

from mir_task import MIRDataError
from mir_task.data import local_pairs


def rows(pairs):
    return [(row["pair_id"], row["image"], row["text"]) for row in pairs.dataset]


def test_each_image_and_text_comes_once(folders):
    chosen = rows(local_pairs(*folders))
    assert len(chosen) == 8
    assert len({image for _, image, _ in chosen}) == len({text for _, _, text in chosen}) == 8


def test_the_choice_depends_on_seed_and_names_only(folders):
    first = rows(local_pairs(*folders, count=5))
    assert first == rows(local_pairs(*folders, count=5))
    assert first != rows(local_pairs(*folders, count=5, seed=1))


def test_paired_texts_stay_with_their_images(paired_folders):
    pairs = local_pairs(*paired_folders, paired=True)
    assert sorted(pairs.ids) == list("01234567")
    for pair_id, image, text in rows(pairs):
        assert Path(image).stem == pair_id
        assert f"number {pair_id} " in text


def test_the_origin_is_what_was_given(paired_folders):
    images, texts = paired_folders
    origin = {"images": str(images), "texts": str(texts)}
    assert local_pairs(images, texts, seed=3).source == {**origin, "paired": False, "seed": 3}
    assert local_pairs(str(images), str(texts), paired=True).source == {**origin, "paired": True, "seed": 0}


def test_texts_may_be_lines_of_a_jsonl_file(folders, tmp_path):
    lines = [json.dumps({"id": f"a{n}", "text": f"Text {n}"}) for n in range(3)]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines) + "\n\n")
    chosen = rows(local_pairs(folders[0], tmp_path / "texts.jsonl"))
    assert sorted(text for _, _, text in chosen) == ["Text 0", "Text 1", "Text 2"]


def test_a_text_of_a_jsonl_file_may_hold_line_separators_of_its_own(folders, tmp_path):
    texts = ["One\u2028two", "Three\x85four"]
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    chosen = rows(local_pairs(folders[0], tmp_path / "texts.jsonl"))
    assert sorted(text for _, _, text in chosen) == texts


@pytest.mark.parametrize("end", ["\u2028\n", "\x85\n", "\r\n"])
def test_a_line_of_a_jsonl_file_may_end_with_separators_of_other_systems(folders, tmp_path, end):
    lines = [json.dumps({"text": text}) for text in ("One", "Two")]
    (tmp_path / "texts.jsonl").write_bytes(end.join([*lines, ""]).encode())
    chosen = rows(local_pairs(folders[0], tmp_path / "texts.jsonl"))
    assert sorted(text for _, _, text in chosen) == ["One", "Two"]


def test_a_byte_order_mark_is_no_part_of_a_text(folders, tmp_path):
    images, texts = folders
    for file in texts.iterdir():
        file.write_text(f"Text {file.stem}", encoding="utf-8-sig")
    assert {text for _, _, text in rows(local_pairs(images, texts))} == {f"Text {n}" for n in range(4, 12)}
    lines = "\n".join(json.dumps({"text": text}) for text in ("One", "Two"))
    (tmp_path / "texts.jsonl").write_text(lines, encoding="utf-8-sig")
    chosen = rows(local_pairs(images, tmp_path / "texts.jsonl"))
    assert sorted(text for _, _, text in chosen) == ["One", "Two"]


def test_a_folder_may_be_named_as_a_file_is(folders):
    images, texts = folders
    (images / "more.png").mkdir()
    (texts / "more.txt").mkdir()
    assert len(local_pairs(images, texts)) == 8


def test_files_of_other_kinds_beside_the_images_are_left_alone(folders):
    images, texts = folders
    before = local_pairs(images, texts).ids
    for name in ("paper.pdf", "drawing.eps", "print.ps", "film.mpg", "data.h5", "notes.txt"):
        (images / name).write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    assert local_pairs(images, texts).ids == before


def test_an_image_of_another_format_than_its_ending_says_is_read(folders):
    images, texts = folders
    Image.new("RGB", (9, 9)).save(images / "3.png", "jpeg")
    assert len(local_pairs(images, texts)) == 8


def test_images_in_subfolders_are_found(folders):
    images, _ = folders
    (images / "more").mkdir()
    (images / "0.png").rename(images / "more" / "0.png")
    assert "more/0" in {pair_id.split("+")[0] for pair_id in local_pairs(*folders).ids}


def test_opening_images_raises_no_warnings(folders):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        local_pairs(*folders)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": "/nowhere"}, "^images: /nowhere does not exist"),
        ({"texts": "/nowhere"}, "^texts: /nowhere does not exist"),
        ({"count": 9}, "images and texts hold 8 images and 8 texts, too few for 9 pairs; .* lower count"),
        ({"count": 1}, "count must be a whole number of at least 2, got 1"),
        ({"count": "7"}, "count must be a whole number of at least 2, got '7'"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"seed": True}, "seed must be a whole number of at least 0, got True"),
        (
            {"paired": True},
            "paired=True: 8 names have an image or a text but not both, .* 0, 1, 10, .*set paired=False",
        ),
    ],
)
def test_a_bad_argument_is_named(folders, arguments, message):
    images, texts = folders
    with pytest.raises(MIRDataError, match=message):
        local_pairs(**{"images": images, "texts": texts, **arguments})


def without_images(images, texts):
    for file in images.iterdir():
        file.unlink()


def without_texts(images, texts):
    for file in texts.iterdir():
        file.unlink()


def with_one_text(images, texts):
    for file in list(texts.iterdir())[1:]:
        file.unlink()


def with_an_empty_image(images, texts):
    (images / "3.png").write_bytes(b"")


def with_an_image_that_is_none(images, texts):
    (images / "3.png").write_bytes(b"not an image")


def with_a_truncated_image(images, texts):
    (images / "3.png").write_bytes((images / "3.png").read_bytes()[:150])


def with_a_blank_text(images, texts):
    (texts / "5.txt").write_text(" \n")


def with_a_text_of_another_encoding(images, texts):
    (texts / "5.txt").write_bytes(b"\xff\xfe\xff")


def with_a_text_of_too_many_bytes(images, texts):
    os.truncate(texts / "5.txt", 2**26 + 1)


def with_an_image_that_is_a_pipe(images, texts):
    (images / "3.png").unlink()
    os.mkfifo(images / "3.png")


def with_an_image_that_is_a_link_to_nothing(images, texts):
    (images / "3.png").unlink()
    (images / "3.png").symlink_to(images / "gone.png")


def with_postscript_called_an_image(images, texts):
    Image.open(images / "3.png").save(images / "3.png", "eps")


def with_a_text_that_is_a_pipe(images, texts):
    os.mkfifo(texts / "13.txt")


def with_a_text_that_is_a_device(images, texts):
    (texts / "13.txt").symlink_to("/dev/null")


def with_a_text_that_is_a_link_to_nothing(images, texts):
    (texts / "13.txt").symlink_to(texts / "gone.txt")


def with_a_text_whose_name_is_no_text(images, texts):
    (texts / "5.txt").rename(texts / "\udcff.txt")  # a byte that is no UTF-8


def with_an_image_whose_name_is_no_text(images, texts):
    (images / "3.png").rename(images / "\udcff.png")


def with_two_images_of_one_name(images, texts):
    Image.open(images / "0.png").save(images / "0.jpg")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_images, "^images: no images in .*images"),
        (without_texts, "^texts: no texts in .*texts"),
        (with_one_text, "1 texts, too few for 2 pairs; add some$"),
        (with_an_empty_image, "cannot read the image .*3.png"),
        (with_an_image_that_is_none, "cannot read the image .*3.png"),
        (with_a_truncated_image, "image .*3.png: .*truncated"),
        (with_a_blank_text, "the text is empty: .*5.txt"),
        (with_a_text_of_another_encoding, "cannot read .*5.txt as a text in UTF-8"),
        (with_a_text_of_too_many_bytes, "5.txt has more than 64 MiB, too much for the"),
        (with_an_image_that_is_a_pipe, "image .*3.png: it is a folder, a device or a pipe"),
        (with_an_image_that_is_a_link_to_nothing, "image .*3.png: .*No such file"),
        (with_postscript_called_an_image, "image .*3.png: it is damaged, or of no format that is read"),
        (with_a_text_that_is_a_pipe, "cannot read .*13.txt as a text: it is a device or a pipe"),
        (with_a_text_that_is_a_device, "cannot read .*13.txt as a text: it is a device or a pipe"),
        (with_a_text_that_is_a_link_to_nothing, "cannot read .*13.txt as a text .*No such file"),
        (with_a_text_whose_name_is_no_text, r"name of the file '.*\\udcff.txt': .*lone surrogate U\+DCFF"),
        (with_an_image_whose_name_is_no_text, r"name of the file '.*\\udcff.png': .*lone surrogate U\+DCFF"),
        (with_two_images_of_one_name, "0.jpg and .*0.png have the same name"),
    ],
)
@pytest.mark.usefixtures("soon")
def test_bad_files_are_named(folders, change, message, monkeypatch):
    # lmms-eval sets this in every process, and truncated images would then pass with grey in them.
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    change(*folders)
    with pytest.raises(MIRDataError, match=message):
        local_pairs(*folders)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ('{"id": "b"}', "line 2 has no 'text' field"),
        ('{"text": 3}', "line 2 has no 'text' field of type string"),
        ('{"id": "a", "text": "again"}', "line 2 repeats the id 'a'"),
        ('{"text": " "}', "the text is empty: .*line 2"),
        ('{"text": "One\\ud83d"}', r"texts.jsonl, line 2: character 4 is the lone surrogate U\+D83D"),
        (
            '{"id": "\\udc00", "text": "One"}',
            "texts.jsonl, line 2: the id: character 1 is the lone surrogate",
        ),
        ('{"id": 1' + "0" * 5000 + "}", "line 2 is not JSON"),
        ("[" * 100_000, "line 2 is not JSON"),
    ],
)
def test_bad_lines_of_a_jsonl_file_are_named(folders, tmp_path, line, message):
    file = tmp_path / "texts.jsonl"
    file.write_text('{"id": "a", "text": "First"}\n' + line)
    with pytest.raises(MIRDataError, match=message):
        local_pairs(folders[0], file)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_jsonl_file_that_is_none_is_refused(folders, tmp_path, kind):
    file = tmp_path / "texts.jsonl"
    os.mkfifo(file) if kind == "pipe" else file.symlink_to("/dev/null")
    with pytest.raises(
        MIRDataError, match=r"cannot read .*texts.jsonl as a .jsonl file: it is a device or a"
    ):
        local_pairs(folders[0], file)


def test_a_folder_whose_name_is_no_text_is_named(folders, tmp_path):
    images, texts = folders
    (tmp_path / "\udcff").mkdir()
    file = tmp_path / "\udcff" / "texts.jsonl"
    file.write_text('{"text": "One"}\n{"text": "Two"}')
    with pytest.raises(MIRDataError, match=r"^texts: '.*udcff/texts.jsonl': character .* rename it"):
        local_pairs(images, file)
    with pytest.raises(MIRDataError, match=r"^images: '.*udcff': character .* rename it"):
        local_pairs(images.rename(tmp_path / "\udcff" / "images").parent, texts)


def test_a_single_file_of_texts_must_be_jsonl(folders, tmp_path):
    (tmp_path / "texts.csv").write_text("a,b")
    with pytest.raises(MIRDataError, match=r"^texts: .* neither a folder of \.txt files nor a \.jsonl"):
        local_pairs(folders[0], tmp_path / "texts.csv")


def test_images_must_be_in_a_folder(folders):
    images, texts = folders
    with pytest.raises(MIRDataError, match="^images: .*0.png is not a folder"):
        local_pairs(images / "0.png", texts)
