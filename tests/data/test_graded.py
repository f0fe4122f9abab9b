"""Pairs in levels of image-text similarity."""

import numpy as np
import pytest
import torch
from transformers import CLIPImageProcessor, CLIPModel

from mir_task import MIRDataError
from mir_task.data import graded_pairs
from mir_task.data.graded import grade
from mir_task.demo.checkpoint import build_tokenizer


@pytest.fixture
def graded(paired_folders, clip):
    return graded_pairs(*paired_folders, clip=clip, levels=2)


def test_similarity_is_clips_cosine(graded, clip):
    similarity = graded.protocol.alignment.similarity
    model, tokenizer = CLIPModel.from_pretrained(clip), build_tokenizer(placeholders=())
    processor = CLIPImageProcessor.from_pretrained(clip)
    for pair in graded:
        ids = tokenizer(pair.text, return_tensors="pt")["input_ids"][:, :77]
        image = processor(pair.image, return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            # CLIPModel's own logits are the cosine times its temperature.
            cosine = model(input_ids=ids, pixel_values=image).logits_per_image / model.logit_scale.exp()
        assert similarity[pair.id] == pytest.approx(float(cosine), abs=1e-6)
    assert graded.protocol.alignment.clip == str(clip)


def test_levels_are_quantiles(graded):
    alignment = graded.protocol.alignment
    values = [alignment.similarity[name] for name in graded.ids]
    assert alignment.edges == pytest.approx(list(np.quantile(values, [0, 0.5, 1])))
    by_level = {
        level: [v for v, own in zip(values, graded.levels, strict=True) if own == level] for level in (1, 2)
    }
    assert len(by_level[1]) == len(by_level[2]) == 4
    assert max(by_level[1]) < min(by_level[2])


def test_a_subset_keeps_its_levels(graded):
    assert graded[1:5].levels == graded.levels[1:5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clip": "/nowhere"}, "^clip: cannot load a CLIPModel, .* from /nowhere"),
        ({"levels": 5}, "8 pairs are too few for 5 levels of at least 2; add some or lower levels"),
        ({"levels": 1}, "levels must be a whole number of at least 2"),
        ({"count": 3}, "3 pairs are too few for 4 levels"),
    ],
)
def test_a_bad_argument_is_named(paired_folders, clip, arguments, message):
    with pytest.raises(MIRDataError, match=message):
        graded_pairs(*paired_folders, **{"clip": clip, **arguments})


def test_texts_of_no_image_are_named(folders, clip):
    with pytest.raises(MIRDataError, match="8 names have an image or a text but not both"):
        graded_pairs(*folders, clip=clip)


def test_another_model_than_clip_is_refused(paired_folders, checkpoint):
    with pytest.raises(MIRDataError, match="its model_type is 'llava', not 'clip'"):
        graded_pairs(*paired_folders, clip=checkpoint)


def test_ties_that_leave_a_level_empty_are_refused():
    with pytest.raises(MIRDataError, match="(?s)same image-text similarity for 3 levels .*; lower levels$"):
        grade([0.5] * 5 + [0.6], 3)
