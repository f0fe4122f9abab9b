"""The pairs that come with the package."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mir_task import MIRDataError
from mir_task.builtin import generate
from mir_task.data import builtin_captions, builtin_pairs
from mir_task.data.builtin import BUILTIN_FOLDER


def sha256_of_ids_and_texts(pairs):
    told = json.dumps([[pair.id, pair.text] for pair in pairs])
    return hashlib.sha256(told.encode()).hexdigest()


# Recorded in version 0.1.0. A change here changes every published number: raise the tasks' version with it.
@pytest.mark.parametrize(
    ("choose", "seed", "recorded"),
    [
        (builtin_pairs, 0, "3e7c0783a3c7cd177a64eb57664fdb06cd294c4600cd97e50e7d4ace3ae9540e"),
        (builtin_pairs, 7, "b5e5f7fe8dd1a59df29c0776c3940a052ae2c4c73d5dd0052bea15b2d46ce9b9"),
        (builtin_captions, 0, "b3c42222baa4b4ac81a0519b279c8cb8c6f0c9f959b3ab29fd8fede9f48b9901"),
        (builtin_captions, 7, "6814dc44b096fed62d49911e5090bb96b98babe4b2de3ef6cf4e080a6cb809b9"),
    ],
)
def test_the_choice_never_changes(choose, seed, recorded):
    assert sha256_of_ids_and_texts(choose(seed=seed)) == recorded


def test_fewer_pairs_are_the_first_of_all():
    assert builtin_pairs(count=3).ids == ["image_058+text_098", "image_007+text_002", "image_049+text_085"]
    assert builtin_pairs().ids[:3] == builtin_pairs(3).ids


def test_the_environment_is_not_read(monkeypatch):
    before = builtin_pairs().ids
    monkeypatch.setenv("MIR_NUM_PAIRS", "3")
    monkeypatch.setenv("MIR_SEED", "7")
    assert builtin_pairs().ids == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 101}, "the built-in data hold 100 images and 100 texts, too few for 101 .* lower count"),
        ({"count": 1}, "count must be a whole number of at least 2, got 1"),
        ({"count": {"MIR_NUM_PAIRS": "6"}}, "count must be a whole number"),  # the call of version 0.1.0
        ({"seed": 0.5}, "seed must be a whole number of at least 0, got 0.5"),
    ],
)
def test_a_bad_argument_is_named(arguments, message):
    with pytest.raises(MIRDataError, match=message):
        builtin_pairs(**arguments)


def test_files_never_change():
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


def test_pairs_are_what_the_readme_says():
    pairs = builtin_pairs()
    files = pairs.dataset["image"][:]
    assert len(pairs) == len(set(files)) == len({pair.text for pair in pairs}) == 100
    words = [len(pair.text.split()) for pair in pairs]
    assert min(words) >= 120 and max(words) <= 250
    sizes = [pair.image.size for pair in pairs]
    assert min(map(min, sizes)) >= 224 and max(map(max, sizes)) <= 640
    assert 1.5e6 < sum(Path(file).stat().st_size for file in files) < 2.5e6


def test_generator_makes_the_shipped_images(tmp_path):
    assert generate.main(["--output", str(tmp_path), "--count", "12"]) == 0
    for made in sorted(tmp_path.glob("*.jpg")):
        shipped = BUILTIN_FOLDER / "images" / made.name
        new, old = (np.asarray(Image.open(file), dtype=float) for file in (made, shipped))
        # Not byte for byte: JPEG encoders and font renderers differ between versions of Pillow.
        assert new.shape == old.shape
        assert np.abs(new - old).mean() < 3
