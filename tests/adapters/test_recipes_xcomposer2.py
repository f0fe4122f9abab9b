"""InternLM-XComposer2 and 2.5 by model and tokenizer."""

import tempfile

import pytest
import torch

from mir_task import MIRModelError, measure
from mir_task.adapters import adapter_for
from tests.adapters.examples import IMAGES, PAIRS, TEXTS
from tests.adapters.hooked import Watched, expected_mir
from tests.adapters.stand_ins import ROWS, TOKENIZER, pixels
from tests.adapters.stand_ins_xcomposer2 import SYSTEM, XComposer2, XComposer24KHD, XComposer25

# 2.0's chat has a system prompt, and its code writes a BOS before every part.
SYSTEM_TURN = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
ANSWER = "<|im_end|>\n<|im_start|>assistant\n"
GENERATIONS = pytest.mark.parametrize(
    "cls", [XComposer2, XComposer24KHD, XComposer25], ids=["2.0", "4KHD", "2.5"]
)


def around_the_image(cls):
    """The family's template before the image and behind it."""
    if cls is XComposer25:
        return "<s><|im_start|>user\n", ANSWER
    return f"<s>{SYSTEM_TURN}<|im_start|>user\n", f"<s>{ANSWER}"


def own_pass(model, pair):
    """The family's forward pass by hand, and its mask."""
    before, behind = around_the_image(type(model))
    before, after = (
        model.model.tok_embeddings(TOKENIZER(part, add_special_tokens=False, return_tensors="pt").input_ids)
        for part in (before, behind + pair.text)
    )
    with torch.no_grad(), torch.autocast("cpu", model.dtype, enabled=model.dtype != torch.float32):
        rows = model.img2emb(pixels(pair.image))[0].to(model.dtype)
    embeds = torch.cat([before, rows, after], dim=1)
    mask = torch.zeros(embeds.shape[:2], dtype=torch.bool)
    mask[:, before.shape[1] : before.shape[1] + ROWS] = True
    return lambda: model.model(embeds, mask, use_cache=False), mask


@GENERATIONS
def test_the_text_is_the_assistants_turn(cls):
    model = cls()
    adapter = adapter_for(model, TOKENIZER)
    with torch.no_grad(), Watched(model.get_input_embeddings()) as calls:
        adapter.prefill(adapter.prepare(IMAGES[0], TEXTS[0], 100))
    assert [TOKENIZER.decode(ids) for ids in calls] == [*around_the_image(cls), TEXTS[0]]


@GENERATIONS
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_mir_is_that_of_the_familys_own_mask(cls, dtype):
    model = cls().to(dtype)
    result = measure(model, TOKENIZER, PAIRS, progress=False)
    with torch.no_grad():
        passes = [own_pass(model, pair) for pair in PAIRS]
    expected = expected_mir(model.model.layers, model.model.norm, passes)
    assert result.mir == pytest.approx(expected, abs=1e-4)
    assert (result.protocol.template, result.model.adapter) == ("chat_template", "own pipeline")
    assert result.vision_tokens_per_pair == ROWS
    assert len(result.protocol.template_sha256) == 64


@pytest.mark.parametrize("cls", [XComposer24KHD, XComposer25])
def test_images_are_cut_to_as_many_tiles_as_in_chat(cls):
    model = cls()
    measure(model, TOKENIZER, PAIRS, progress=False)
    assert set(model.tiles) == {18}


def test_placeholders_within_a_text_are_text():
    pairs = [(image, "Not <ImageHere> but there.") for image in IMAGES]
    assert measure(XComposer25(), TOKENIZER, pairs, progress=False).vision_tokens_per_pair == ROWS


@GENERATIONS
def test_an_image_that_the_familys_code_would_cut_is_refused(cls):
    message = "the image takes more than the 10 positions at which the model's own code cuts"
    with pytest.raises(MIRModelError, match=message):
        measure(cls(max_length=10), TOKENIZER, PAIRS, progress=False)


@GENERATIONS
def test_the_model_and_the_disk_are_left_as_they_were(cls, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model = cls()
    measure(model, TOKENIZER, PAIRS, progress=False)
    model.vision_proj = None
    with pytest.raises(MIRModelError, match=r"pair pair 0: .* own input pipeline failed .* not callable"):
        measure(model, TOKENIZER, PAIRS, progress=False)
    assert model.tokenizer is None
    assert list(tmp_path.iterdir()) == []
