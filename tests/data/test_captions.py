"""Images with captions that describe them."""

import datasets
import pytest
from PIL import Image

from mir_task import MIRDataError
from mir_task.data import builtin_captions, hub_captions, local_captions


def test_builtin_captions_describe_their_own_image():
    captions = builtin_captions()
    rows = list(captions.dataset)
    assert len(rows) == len({row["text"] for row in rows}) == 100
    assert all(row["image"].endswith(f"{row['pair_id']}.jpg") for row in rows)
    chemist = next(row for row in rows if row["pair_id"] == "image_000")
    assert "CHEMIST" in chemist["text"]
    assert captions.source["paired"] is True


def test_local_captions_are_paired_by_name(paired_folders):
    captions = local_captions(*paired_folders, count=5)
    assert captions.source["paired"] is True and len(captions) == 5
    assert all(f"number {pair.id} " in pair.text for pair in captions)


def test_local_captions_without_their_image_are_named(folders):
    with pytest.raises(MIRDataError, match="8 names have an image or a text but not both"):
        local_captions(*folders)


@pytest.fixture
def flickr(monkeypatch):
    """The arguments of load_dataset, which gives three images with one or two captions each."""
    dataset = datasets.Dataset.from_dict(
        {
            "img_id": ["a", "b", "c"],
            "image": [Image.new("RGB", (9, 9), color) for color in ("red", "green", "blue")],
            "caption": [["A one.", "Other."], ["B one."], ["C one."]],
        },
        datasets.Features(
            {
                "img_id": datasets.Value("string"),
                "image": datasets.Image(),
                "caption": datasets.Sequence(datasets.Value("string")),
            }
        ),
    )
    monkeypatch.setattr(datasets, "load_dataset", lambda path, split: dataset)
    return {"path": "some/captions", "split": "test"}


def test_hub_captions_take_the_first_of_each_image(flickr):
    captions = hub_captions(flickr)
    assert {(pair.id, pair.text, pair.image.getpixel((0, 0))) for pair in captions} == {
        ("a", "A one.", (255, 0, 0)),
        ("b", "B one.", (0, 128, 0)),
        ("c", "C one.", (0, 0, 255)),
    }
    assert captions.source["texts"] == "some/captions test"
    assert hub_captions(flickr, count=2).ids == captions.ids[:2]


def test_a_dataset_out_of_reach_is_named_and_what_to_use_instead(monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda **source: 1 / 0)
    with pytest.raises(MIRDataError, match="some/captions from .* builtin_captions .* local_captions"):
        hub_captions({"path": "some/captions", "split": "test"})
