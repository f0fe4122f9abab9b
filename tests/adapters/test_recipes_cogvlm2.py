"""CogVLM and CogVLM2 by model and tokenizer."""

import copy

import pytest
import torch

from mir_task import measure
from mir_task.adapters import adapter_for
from tests.adapters.examples import PAIRS, TEXTS
from tests.adapters.hooked import Watched, expected_mir
from tests.adapters.stand_ins import ROWS, TOKENIZER, pixels
from tests.adapters.stand_ins_cogvlm2 import CogVLMForCausalLM, WithoutAnswer

VISION = ROWS + 2
"""Image rows, with the tower's begin and end row."""


@pytest.fixture
def tokenizer():
    """A tokenizer of the test's own, since the family's code changes it."""
    return copy.deepcopy(TOKENIZER)


def seen(model, tokenizer, text):
    """What the model is shown of a text: its template, as a string."""
    adapter = adapter_for(model, tokenizer)
    with torch.no_grad(), Watched(model.get_input_embeddings()) as calls:
        adapter.prefill(adapter.prepare(PAIRS[0].image, text, 100))
    (ids,) = calls
    assert ids[1 : 1 + VISION] == [TOKENIZER.convert_tokens_to_ids("<imgpad>")] * VISION
    return TOKENIZER.decode([ids[0], *ids[1 + VISION :]])


def own_pass(model, pair, prompt, end):
    """The family's forward pass by hand, and its mask (token type 1)."""
    text = TOKENIZER.encode(prompt + pair.text, add_special_tokens=False) + end
    ids = torch.tensor([[TOKENIZER.bos_token_id, *[0] * VISION, *text]])
    kinds = torch.tensor([[0, *[1] * VISION, *[0] * len(text)]])
    image = [[pixels(pair.image)[0].to(model.dtype)]]

    def forward():
        model.model(ids, image, kinds, torch.ones_like(ids), use_cache=False)

    return forward, kinds == 1


@pytest.mark.parametrize(
    ("version", "prompt", "template"),
    [
        ("chat", "Question:  Answer:", "chat_template"),
        ("vqa", "Question:  Short answer:", "chat_template"),
        ("base", "", "plain"),
    ],
)
def test_the_text_is_the_answer_in_the_checkpoints_own_template(tokenizer, version, prompt, template):
    model = CogVLMForCausalLM(version)
    assert seen(model, tokenizer, TEXTS[0]) == f"<s>{prompt}{TEXTS[0]}</s>"
    result = measure(model, tokenizer, PAIRS, progress=False)
    assert (result.protocol.template, result.model.adapter) == (template, "own pipeline")
    assert result.vision_tokens_per_pair == VISION


def test_cogvlm_whose_code_takes_no_answer(tokenizer):
    model = WithoutAnswer()
    assert seen(model, tokenizer, TEXTS[0]) == f"<s>Question:  Answer:{TEXTS[0]}"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("cls", "end"), [(CogVLMForCausalLM, ["</s>"]), (WithoutAnswer, [])])
def test_mir_is_that_of_the_familys_own_mask(tokenizer, cls, end, dtype):
    model = cls().to(dtype)
    result = measure(model, tokenizer, PAIRS, progress=False)
    passes = [
        own_pass(model, pair, "Question:  Answer:", TOKENIZER.convert_tokens_to_ids(end)) for pair in PAIRS
    ]
    expected = expected_mir(model.model.layers, model.model.norm, passes)
    assert result.mir == pytest.approx(expected, abs=1e-4)


def test_fingerprints_tell_templates_apart(tokenizer):
    chat, again, vqa = (
        measure(CogVLMForCausalLM(version), tokenizer, PAIRS, progress=False).protocol.template_sha256
        for version in ("chat", "chat", "vqa")
    )
    assert chat == again != vqa
