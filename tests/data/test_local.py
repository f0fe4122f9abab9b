import hashlib
import json
import os
import warnings
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from mir_task import MIRDataError
from mir_task.builtin import generate
from mir_task.data import builtin_pairs, hub_pairs, local_pairs, open_image
from mir_task.data.builtin import BUILTIN_FOLDER
from mir_task.data.choice import choose


def environment(folders, **settings):
    images, texts = folders
    return {"MIR_IMAGES": str(images), "MIR_TEXTS": str(texts), **settings}


def rows(pair_set):
    return [(row["pair_id"], row["image"], row["text"]) for row in pair_set.dataset]


# The user's own files


def test_local_pairs_take_each_image_and_text_once(folders):
    chosen = rows(local_pairs(environment(folders)))
    assert len(chosen) == 8
    assert len({image for _, image, _ in chosen}) == len({text for _, _, text in chosen}) == 8


def test_local_pairs_depend_on_seed_and_names_only(folders):
    first = rows(local_pairs(environment(folders, MIR_NUM_PAIRS="5")))
    assert first == rows(local_pairs(environment(folders, MIR_NUM_PAIRS="5")))
    assert first != rows(local_pairs(environment(folders, MIR_NUM_PAIRS="5", MIR_SEED="1")))
    # More pairs of the same seed are the same pairs and more.
    assert rows(local_pairs(environment(folders)))[:5] == first


def test_paired_texts_stay_with_their_images(folders):
    images, texts = folders
    for index in range(4):
        (images / f"{index}.png").unlink()
        (texts / f"{index + 8}.txt").unlink()
    pair_set = local_pairs(environment(folders, MIR_PAIRED="1"))
    assert sorted(pair_id for pair_id, _, _ in rows(pair_set)) == ["4", "5", "6", "7"]
    for pair_id, image, text in rows(pair_set):
        assert Path(image).stem == pair_id
        assert f"number {int(pair_id) - 4} " in text
    assert pair_set.source["paired"] is True


def test_jsonl_texts(folders, tmp_path):
    lines = [json.dumps({"id": f"a{n}", "text": f"Text {n}"}) for n in range(3)]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines) + "\n\n")
    chosen = rows(local_pairs(environment((folders[0], tmp_path / "texts.jsonl"))))
    assert sorted(text for _, _, text in chosen) == ["Text 0", "Text 1", "Text 2"]


def test_images_in_subfolders_are_found(folders):
    images, _ = folders
    (images / "more").mkdir()
    (images / "0.png").rename(images / "more" / "0.png")
    assert "more/0" in {pair_id.split("+")[0] for pair_id, _, _ in rows(local_pairs(environment(folders)))}


def damage(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda i, t: None, {"MIR_IMAGES": ""}, "needs the environment variable MIR_IMAGES"),
        (lambda i, t: None, {"MIR_TEXTS": "/nowhere"}, "MIR_TEXTS: /nowhere does not exist"),
        (lambda i, t: None, {"MIR_NUM_PAIRS": "many"}, "MIR_NUM_PAIRS must be a whole number of at least 2"),
        (
            lambda i, t: None,
            {"MIR_NUM_PAIRS": "1"},
            "MIR_NUM_PAIRS must be a whole number of at least 2, got '1'",
        ),
        (
            lambda i, t: None,
            {"MIR_NUM_PAIRS": "9"},
            "8 images and 8 texts, too few for 9 pairs.*MIR_NUM_PAIRS",
        ),
        (lambda i, t: None, {"MIR_SEED": "-1"}, "MIR_SEED must be a whole number"),
        (lambda i, t: None, {"MIR_PAIRED": "yes"}, "MIR_PAIRED must be 0 or 1, got 'yes'"),
        (lambda i, t: None, {"MIR_PAIRED": "1"}, "8 names have an image or a text but not both, .* 0, 1, 10"),
        (lambda i, t: [p.unlink() for p in i.iterdir()], {}, "no images in .*images"),
        (lambda i, t: [p.unlink() for p in t.iterdir()], {}, "no texts in .*texts"),
        (lambda i, t: [p.unlink() for p in list(t.iterdir())[1:]], {}, "1 texts, too few for 2 pairs"),
        (lambda i, t: damage(i / "3.png", b""), {}, "cannot read the image .*3.png"),
        (lambda i, t: damage(i / "3.png", b"not an image"), {}, "cannot read the image .*3.png"),
        (
            lambda i, t: damage(i / "3.png", (i / "3.png").read_bytes()[:150]),
            {},
            "image .*3.png: .*truncated",
        ),
        (lambda i, t: damage(t / "5.txt", b" \n"), {}, "the text is empty: .*5.txt"),
        (lambda i, t: damage(t / "5.txt", b"\xff\xfe\xff"), {}, "cannot read .*5.txt as a text in UTF-8"),
        (
            lambda i, t: os.truncate(t / "5.txt", 2**26 + 1),
            {},
            "5.txt has more than 64 MiB, too much for the",
        ),
        (lambda i, t: Image.open(i / "0.png").save(i / "0.jpg"), {}, "0.jpg and .*0.png have the same name"),
    ],
)
def test_bad_local_data_is_named(folders, change, settings, message, monkeypatch):
    # lmms-eval sets this in every process, and truncated images would then pass with grey in them.
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    change(*folders)
    with pytest.raises(MIRDataError, match=message):
        local_pairs(environment(folders) | settings)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ('{"id": "b"}', "line 2 has no 'text' field"),
        ('{"text": 3}', "line 2 has no 'text' field of type string"),
        ('{"id": "a", "text": "again"}', "line 2 repeats the id 'a'"),
        ('{"text": " "}', "the text is empty: .*line 2"),
    ],
)
def test_bad_jsonl_lines_are_named(folders, tmp_path, line, message):
    file = tmp_path / "texts.jsonl"
    file.write_text('{"id": "a", "text": "First"}\n' + line)
    with pytest.raises(MIRDataError, match=message):
        local_pairs(environment((folders[0], file)))


def test_single_file_as_texts_must_be_jsonl(folders, tmp_path):
    (tmp_path / "texts.csv").write_text("a,b")
    with pytest.raises(MIRDataError, match=r"neither a folder of \.txt files nor a \.jsonl"):
        local_pairs(environment((folders[0], tmp_path / "texts.csv")))


def test_images_of_any_mode_become_rgb(tmp_path):
    for mode in ("1", "L", "P", "RGBA", "CMYK", "I;16"):
        file = tmp_path / f"{mode.replace(';', '')}.tiff"
        Image.new(mode, (9, 9)).save(file)
        assert open_image(file).mode == "RGB"


# The built-in pairs


def test_builtin_files_never_change():
    expected = dict(
        reversed(line.split("  ")) for line in (BUILTIN_FOLDER / "SHA256SUMS").read_text().splitlines()
    )
    files = [*BUILTIN_FOLDER.glob("images/*.jpg"), *BUILTIN_FOLDER.glob("texts/*.txt")]
    files.append(BUILTIN_FOLDER / "captions.jsonl")
    found = {
        file.relative_to(BUILTIN_FOLDER).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }
    assert found == expected
    assert len(found) == 201


def test_builtin_pairs_are_what_the_readme_says():
    chosen = rows(builtin_pairs({}))
    assert len(chosen) == 100
    assert len({image for _, image, _ in chosen}) == len({text for _, _, text in chosen}) == 100
    words = [len(text.split()) for _, _, text in chosen]
    assert min(words) >= 120 and max(words) <= 250
    sizes = [open_image(image).size for _, image, _ in chosen]
    assert min(map(min, sizes)) >= 224 and max(map(max, sizes)) <= 640
    total = sum(Path(image).stat().st_size for _, image, _ in chosen)
    assert 1.5e6 < total < 2.5e6


def test_builtin_choice_never_changes():
    chosen = [pair_id for pair_id, _, _ in rows(builtin_pairs({"MIR_NUM_PAIRS": "3"}))]
    assert chosen == ["image_058+text_098", "image_007+text_002", "image_049+text_085"]


def test_generator_makes_the_shipped_images(tmp_path):
    assert generate.main(["--output", str(tmp_path), "--count", "12"]) == 0
    for made in sorted(tmp_path.glob("*.jpg")):
        shipped = BUILTIN_FOLDER / "images" / made.name
        new, old = (np.asarray(Image.open(file), dtype=float) for file in (made, shipped))
        # Not byte for byte: JPEG encoders and font renderers differ between versions of Pillow.
        assert new.shape == old.shape
        assert np.abs(new - old).mean() < 3


# The hub's datasets, by the real loading code on local data of the same schema


@pytest.fixture
def hub(tmp_path):
    """Folders that load_dataset reads as it reads the two datasets of the hub."""
    questions = [
        {
            "image_id": f"image{n // 3}",
            "question_id": n,
            "question": f"What is number {n}?",
            "image": Image.new("RGB", (30, 20), (n // 3 * 20, 0, 0)),
            "answers": ["nothing"] * 10,
        }
        for n in range(30)
    ]
    articles = [
        {"article": f"(News) Story {n}.", "highlights": f"Point {n}.", "id": f"{n:04x}"} for n in range(25)
    ]
    for name, records, split in (("textvqa", questions, "validation"), ("cnn", articles, "test")):
        dataset = datasets.Dataset.from_list(records)
        (tmp_path / name).mkdir()
        dataset.to_parquet(tmp_path / name / f"{split}-00000-of-00001.parquet")
    return (
        {"path": str(tmp_path / "textvqa"), "split": "validation"},
        {"path": str(tmp_path / "cnn"), "split": "test"},
    )


def test_hub_pairs_join_unique_images_with_articles(hub):
    pair_set = hub_pairs(*hub, environment={})
    ids = [pair_id.split("+") for pair_id in pair_set.dataset["pair_id"]]
    assert sorted(image for image, _ in ids) == [f"image{n}" for n in range(10)]
    assert len({text for _, text in ids}) == 10
    for (image_id, text_id), row in zip(ids, pair_set.dataset, strict=True):
        assert row["text"] == f"(News) Story {int(text_id, 16)}."
        assert open_image(row["image"]).getpixel((0, 0))[0] == int(image_id.removeprefix("image")) * 20


def test_hub_pairs_are_chosen_by_seed(hub):
    def ids(**settings):
        return list(hub_pairs(*hub, environment=settings).dataset["pair_id"])

    assert ids(MIR_NUM_PAIRS="4") == ids()[:4]
    assert ids(MIR_SEED="1") != ids()
    assert hub_pairs(*hub, environment={"MIR_SEED": "1"}).source["seed"] == 1


def test_hub_out_of_reach_names_the_other_tasks():
    source = {"path": "lmms-lab-encoder/textvqa", "split": "validation"}
    with pytest.raises(MIRDataError, match="needs lmms-lab-encoder/textvqa from .* mir_builtin .* mir_local"):
        hub_pairs(source, {"path": "abisee/cnn_dailymail", "name": "3.0.0", "split": "test"}, environment={})


def test_other_columns_are_named(hub):
    with pytest.raises(MIRDataError, match="textvqa has no column id, article, only image_id"):
        hub_pairs(hub[0], hub[0], environment={})


def test_choice_is_part_of_the_protocol():
    # A change here changes every published number: raise the tasks' version with it.
    assert choose(map(str, range(1000)), 3, 0, "image") == ["794", "683", "65"]
    assert choose(map(str, range(1000)), 3, 1, "image") == ["836", "26", "156"]


def test_no_warnings_are_raised_by_opening_images(folders):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        local_pairs(environment(folders))
