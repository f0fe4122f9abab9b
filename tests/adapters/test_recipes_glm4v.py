"""GLM-4V-9B by model and tokenizer."""

import pytest
import torch

from mir_task import MIRModelError, measure
from mir_task.adapters import adapter_for
from tests.adapters.examples import IMAGES, PAIRS, TEXTS
from tests.adapters.hooked import Watched, expected_mir
from tests.adapters.stand_ins import TOKENIZER, pixels
from tests.adapters.stand_ins_glm4v import (
    BEGIN,
    END,
    VISION,
    ChatGLM4Tokenizer,
    ChatGLMForConditionalGeneration,
    ForTransformers4,
)

BEFORE, AFTER = "<s><|im_start|>user\n", "<|im_start|>assistant\n"


def own_pass(model, pair):
    """The family's forward pass by hand: the mask is what is spliced in, two tokens' embeddings are thrown away."""
    before, after = (TOKENIZER.encode(part, add_special_tokens=False) for part in (BEFORE, AFTER + pair.text))
    ids = torch.tensor([[*before, BEGIN, TOKENIZER.eos_token_id, END, *after]])
    mask = [False] * len(before) + [True] * VISION + [False] * len(after)
    image, ones = pixels(pair.image).to(model.dtype), torch.ones_like(ids)
    return lambda: model.transformer(ids, image, ones, ones, use_cache=False), mask


def test_the_text_is_the_assistants_turn():
    model = ChatGLMForConditionalGeneration()
    adapter = adapter_for(model, ChatGLM4Tokenizer())
    with torch.no_grad(), Watched(model.get_input_embeddings()) as calls:
        adapter.prefill(adapter.prepare(IMAGES[0], TEXTS[0], 100))
    shown = f"{BEFORE}<|begin_of_image|></s><|end_of_image|>{AFTER}{TEXTS[0]}"
    assert [TOKENIZER.decode(ids) for ids in calls] == [shown]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_mir_is_that_of_the_rows_that_were_spliced_in(dtype):
    model = ChatGLMForConditionalGeneration().to(dtype)
    result = measure(model, ChatGLM4Tokenizer(), PAIRS, progress=False)
    encoder = model.transformer.encoder
    expected = expected_mir(
        encoder.layers, encoder.final_layernorm, [own_pass(model, pair) for pair in PAIRS]
    )
    assert result.mir == pytest.approx(expected, abs=1e-4)
    assert (result.protocol.template, result.model.adapter) == ("chat_template", "own pipeline")
    assert result.vision_tokens_per_pair == VISION
    assert len(result.protocol.template_sha256) == 64


def test_long_texts_are_cut_by_the_slow_tokenizer():
    result = measure(
        ChatGLMForConditionalGeneration(),
        ChatGLM4Tokenizer(),
        PAIRS,
        max_text_tokens=5,
        progress=False,
    )
    assert result.text_tokens_per_pair == len(TOKENIZER.encode(AFTER, add_special_tokens=False)) + 5


def test_a_text_only_model_of_the_same_class_is_refused():
    model = ChatGLMForConditionalGeneration(vision=False)
    message = "its config has no vision_config and no boi_token_id; this is a text-only GLM"
    with pytest.raises(MIRModelError, match=message):
        measure(model, ChatGLM4Tokenizer(), PAIRS, progress=False)


def test_placeholders_within_a_text_are_text():
    model = ChatGLMForConditionalGeneration()
    pairs = [(image, "Not <|begin_of_image|>x<|end_of_image|> an image.") for image in IMAGES]
    assert measure(model, ChatGLM4Tokenizer(), pairs, progress=False).vision_tokens_per_pair == VISION


def test_a_tokenizer_that_fails_under_these_transformers_is_quoted():
    message = "pair pair 0: .* own input pipeline failed .* has no attribute batch_encode_plus"
    with pytest.raises(MIRModelError, match=message):
        measure(ChatGLMForConditionalGeneration(), ForTransformers4(), PAIRS, progress=False)
