"""From the environment, and the YAML of a task, to its pairs."""

import pytest

from mir_task import MIRDataError
from mir_task.data import (
    builtin_captions,
    builtin_pairs,
    graded_pairs,
    local_captions,
    local_pairs,
)
from mir_task.data.arguments import Argument
from mir_task.lmms.pair_settings import VARIABLES, chosen_pairs


@pytest.fixture
def files(folders):
    images, texts = folders
    return {"MIR_IMAGES": str(images), "MIR_TEXTS": str(texts)}


@pytest.fixture
def paired_files(paired_folders):
    images, texts = paired_folders
    return {"MIR_IMAGES": str(images), "MIR_TEXTS": str(texts), "MIR_PAIRED": "1"}


def told(pairs):
    return pairs.source, list(pairs.dataset)


def test_pairs_are_those_of_the_functions(paired_folders, paired_files, clip):
    number = {"MIR_NUM_PAIRS": "5", "MIR_SEED": " 3 "}
    few = {"count": 5, "seed": 3}
    joined = {name: value for name, value in paired_files.items() if name != "MIR_PAIRED"}
    grading = {"MIR_CLIP": str(clip), "MIR_LEVELS": "2"}
    for source, environment, expected in (
        ("builtin", {}, builtin_pairs()),
        ("builtin", number, builtin_pairs(**few)),
        ("builtin_captions", number, builtin_captions(**few)),
        ("local", joined, local_pairs(*paired_folders)),
        ("local", joined | number, local_pairs(*paired_folders, **few)),
        ("local", paired_files | number, local_pairs(*paired_folders, paired=True, **few)),
        ("local_captions", joined | number, local_captions(*paired_folders, **few)),
        ("graded", paired_files | grading, graded_pairs(*paired_folders, clip=clip, levels=2)),
        (
            "graded",
            paired_files | grading | number,
            graded_pairs(*paired_folders, clip=clip, levels=2, **few),
        ),
        ("graded", paired_files | {"MIR_CLIP": str(clip)}, graded_pairs(*paired_folders, clip=clip)),
    ):
        assert told(chosen_pairs(source, {}, environment)) == told(expected), source


def test_damaged_images_are_let_through_where_they_are_to_be_skipped(files, folders):
    (folders[0] / "3.png").write_bytes(b"not an image")
    with pytest.raises(MIRDataError, match="cannot read the image .*3.png"):
        chosen_pairs("local", {}, files)
    assert len(chosen_pairs("local", {}, {**files, "MIR_ON_ERROR": "skip"})) == 8


def test_every_argument_of_a_message_has_a_variable():
    assert set(VARIABLES) == set(Argument)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MIR_IMAGES": ""}, "needs the environment variable MIR_IMAGES"),
        ({"MIR_TEXTS": " "}, "needs the environment variable MIR_TEXTS"),
        ({"MIR_IMAGES": "/nowhere"}, "^MIR_IMAGES: /nowhere does not exist"),
        ({"MIR_TEXTS": "/nowhere"}, "^MIR_TEXTS: /nowhere does not exist"),
        ({"MIR_NUM_PAIRS": "many"}, "MIR_NUM_PAIRS must be a whole number of at least 2, got 'many'"),
        ({"MIR_NUM_PAIRS": "1"}, "MIR_NUM_PAIRS must be a whole number of at least 2, got '1'"),
        (
            {"MIR_NUM_PAIRS": "9"},
            "^MIR_IMAGES and MIR_TEXTS hold 8 images and 8 texts, too few for 9 pairs; .* lower MIR_NUM_PAIRS",
        ),
        ({"MIR_SEED": "-1"}, "MIR_SEED must be a whole number of at least 0, got '-1'"),
        ({"MIR_PAIRED": "yes"}, "MIR_PAIRED must be 0 or 1, got 'yes'"),
        (
            {"MIR_PAIRED": "1"},
            "^MIR_PAIRED=1: 8 names have an image or a text but not both, .* unset MIR_PAIRED$",
        ),
    ],
)
def test_a_bad_variable_is_named(files, change, message):
    with pytest.raises(MIRDataError, match=message):
        chosen_pairs("local", {}, files | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MIR_PAIRED": "0"}, "texts that belong to their images: set MIR_PAIRED=1"),
        ({"MIR_CLIP": ""}, "needs the environment variable MIR_CLIP"),
        ({"MIR_CLIP": "/nowhere"}, "^MIR_CLIP: cannot load a CLIPModel, .* from /nowhere"),
        ({"MIR_LEVELS": "5"}, "8 pairs are too few for 5 levels of at least 2; add some or lower MIR_LEVELS"),
        ({"MIR_LEVELS": "1"}, "MIR_LEVELS must be a whole number of at least 2"),
    ],
)
def test_a_bad_variable_of_graded_pairs_is_named(paired_files, clip, change, message):
    with pytest.raises(MIRDataError, match=message):
        chosen_pairs("graded", {}, paired_files | {"MIR_CLIP": str(clip)} | change)


def test_without_the_hub_the_message_names_the_other_tasks():
    textvqa = {"path": "lmms-lab-encoder/textvqa", "split": "validation"}
    news = {"path": "abisee/cnn_dailymail", "name": "3.0.0", "split": "test"}
    with pytest.raises(
        MIRDataError,
        match="task mir needs lmms-lab-encoder/textvqa from .* mir_builtin .* mir_local .*MIR_IMAGES",
    ):
        chosen_pairs("hub", {"images": textvqa, "texts": news}, {})
    with pytest.raises(
        MIRDataError, match=r"task mir_caption_ppl needs some/captions .* mir_caption_ppl_builtin .*_local"
    ):
        chosen_pairs("hub_captions", {"captions": {"path": "some/captions", "split": "test"}}, {})
