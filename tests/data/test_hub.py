"""The hub's datasets, by the real loading code on local data of the same schema."""

import datasets
import pytest
from PIL import Image

from mir_task import MIRDataError
from mir_task.data import hub_pairs


@pytest.fixture
def hub(tmp_path):
    """Folders that load_dataset reads as it reads the two datasets of the hub: ten images, 25 articles."""
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
    return {
        "images": {"path": str(tmp_path / "textvqa"), "split": "validation"},
        "texts": {"path": str(tmp_path / "cnn"), "split": "test"},
    }


def test_unique_images_are_joined_with_articles(hub):
    pairs = list(hub_pairs(**hub))
    ids = [pair.id.split("+") for pair in pairs]
    assert sorted(image for image, _ in ids) == [f"image{n}" for n in range(10)]
    assert len({text for _, text in ids}) == 10
    for (image_id, text_id), pair in zip(ids, pairs, strict=True):
        assert pair.text == f"(News) Story {int(text_id, 16)}."
        assert pair.image.getpixel((0, 0))[0] == int(image_id.removeprefix("image")) * 20


def test_images_stay_encoded_until_they_are_asked_for(hub):
    assert all(isinstance(image["bytes"], bytes) for image in hub_pairs(**hub).dataset["image"])


def test_the_choice_depends_on_the_seed(hub):
    assert hub_pairs(**hub, count=4).ids == hub_pairs(**hub).ids[:4]
    assert hub_pairs(**hub, seed=1).ids != hub_pairs(**hub).ids


def test_the_origin_names_datasets_and_splits(hub):
    assert hub_pairs(**hub, seed=1).source == {
        "images": f"{hub['images']['path']} validation",
        "texts": f"{hub['texts']['path']} test",
        "paired": False,
        "seed": 1,
    }


def test_a_dataset_out_of_reach_is_named_and_what_to_use_instead(hub):
    hub["images"] = {"path": "lmms-lab-encoder/textvqa", "split": "validation"}
    with pytest.raises(
        MIRDataError, match="cannot load lmms-lab-encoder/textvqa from .* builtin_pairs .* local_pairs"
    ):
        hub_pairs(**hub)


def test_missing_columns_are_named(hub):
    with pytest.raises(MIRDataError, match="textvqa has no column id, article, only image_id"):
        hub_pairs(hub["images"], hub["images"])


def test_too_few_images_are_named(hub):
    with pytest.raises(MIRDataError, match="textvqa and .*cnn hold 10 images and 25 texts, too few for 11"):
        hub_pairs(**hub, count=11)
