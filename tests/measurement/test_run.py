import math
import re

import numpy as np
import pytest
import torch

from mir_task import MIRDataError, MIRModelError, Pair, measure
from mir_task.adapters import adapter_for
from tests import oracle


def hidden_states(llava, pairs):
    """Vision and text rows at layers 1..K, from transformers' own output_hidden_states."""
    model, processor = llava
    adapter = adapter_for(model, processor)
    rows = {"vision": [], "text": []}
    for image, text, _ in pairs:
        inputs = adapter.prepare(image, text, 1024)
        ids = inputs["input_ids"][0]
        positions = (ids == model.config.image_token_id).nonzero()
        vision = slice(int(positions.min()), int(positions.max()) + 1)
        with torch.no_grad():
            states = model(**inputs, output_hidden_states=True).hidden_states[1:]
        rows["vision"].append([state[0, vision].double().numpy() for state in states])
        rows["text"].append([state[0, vision.stop :].double().numpy() for state in states])
    return [[np.concatenate(layer) for layer in zip(*rows[name], strict=True)] for name in ("vision", "text")]


def test_equals_the_papers_equations_on_the_models_own_hidden_states(llava, pairs):
    vision, text = hidden_states(llava, pairs)
    result = measure(*llava, pairs, progress=False)
    assert result.mir == pytest.approx(oracle.mir(vision, text), rel=1e-6)
    assert result.mir_reference == pytest.approx(oracle.mir_reference(vision, text), rel=1e-6)
    assert math.isfinite(result.mir)
    assert result.pairs == len(pairs)
    assert result.vision_tokens_per_pair * len(pairs) == len(vision[0])
    assert result.text_tokens_per_pair * len(pairs) == len(text[0])


def test_last_layer_is_taken_after_the_final_norm(llava, pairs):
    model, _ = llava
    before = measure(*llava, pairs[:2], progress=False).layers
    model.model.language_model.norm.weight.data *= torch.linspace(0.1, 3, 128)
    after = measure(*llava, pairs[:2], progress=False).layers
    assert [layer.fid for layer in after[:-1]] == [layer.fid for layer in before[:-1]]
    assert after[-1].fid != pytest.approx(before[-1].fid, rel=1e-3)


def test_is_deterministic_and_does_not_depend_on_the_order_of_pairs(llava, pairs):
    once = measure(*llava, pairs, progress=False)
    assert measure(*llava, pairs, progress=False).mir == once.mir
    assert measure(*llava, pairs[::-1], progress=False).mir == pytest.approx(once.mir, rel=1e-9)


def test_bfloat16_is_close_to_float32(llava, pairs):
    exact = measure(*llava, pairs, progress=False)
    half = measure(llava[0].bfloat16(), llava[1], pairs, progress=False)
    assert half.mir == pytest.approx(exact.mir, abs=0.02)
    assert half.model.dtype == "bfloat16"


def test_records_what_was_measured(llava, pairs, checkpoint):
    result = measure(*llava, pairs, max_text_tokens=50, progress=False)
    assert result.protocol.pair_ids == [pair.id for pair in pairs]
    assert (result.protocol.max_text_tokens, result.protocol.template) == (50, "chat_template")
    assert (result.model.model_type, result.model.layers, result.model.hidden_size) == ("llava", 6, 128)
    assert result.model.name == str(checkpoint)
    assert torch.__version__.startswith(result.versions["torch"])
    assert set(result.timings) == {"pairs", "distances"}
    # 50 tokens of text, and the template's few around it.
    assert 50 < result.text_tokens_per_pair < 70


def test_plain_tuples_are_named_by_their_content(llava, pairs):
    tuples = [(pair.image, pair.text) for pair in pairs[:3]]
    ids = measure(*llava, iter(tuples), progress=False).protocol.pair_ids
    assert len(set(ids)) == 3
    assert measure(*llava, tuples[::-1], progress=False).protocol.pair_ids == ids[::-1]


def test_leaves_the_model_as_it_was(llava, pairs):
    model, processor = llava
    model.train()
    model.model.vision_tower.eval()
    modes = {name: module.training for name, module in model.named_modules()}
    generator = torch.get_rng_state()
    before = hooks(model)
    measure(model, processor, pairs[:2], progress=False)
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert torch.equal(torch.get_rng_state(), generator)
    assert hooks(model) == before
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_dropout_of_a_model_in_training_is_off(llava, pairs):
    model, processor = llava
    expected = measure(model, processor, pairs[:2], progress=False).mir
    model.model.language_model.config.attention_dropout = 0.5
    for layer in model.model.language_model.layers:
        layer.self_attn.attention_dropout = 0.5
    try:
        assert measure(model.train(), processor, pairs[:2], progress=False).mir == expected
    finally:
        for layer in model.model.language_model.layers:
            layer.self_attn.attention_dropout = 0.0


def test_hooks_are_removed_when_the_forward_raises(llava, pairs):
    model, processor = llava
    before = hooks(model)

    def explode(*_):
        raise RuntimeError("out of memory")

    handle = model.model.language_model.layers[3].register_forward_hook(explode)
    try:
        with pytest.raises(RuntimeError, match="out of memory"):
            measure(model, processor, pairs[:2], progress=False)
    finally:
        handle.remove()
    assert hooks(model) == before


def test_lm_head_is_not_run(llava, pairs):
    model, processor = llava
    calls = []
    handle = model.lm_head.register_forward_hook(lambda *_: calls.append(1))
    measure(model, processor, pairs[:2], progress=False)
    handle.remove()
    assert not calls


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_hidden_states_name_layer_and_pair(llava, pairs, value):
    model, processor = llava
    model.model.language_model.layers[2].mlp.down_proj.weight.data[5, 5] = value
    with pytest.raises(
        MIRModelError,
        match=rf"pair {re.escape(pairs[0].id)}: NaN or Inf .* layer 3 of 6 \(torch.float32\); load .* bfloat16",
    ):
        measure(model, processor, pairs, progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pairs: [], "at least 2 pairs, got 0"),
        (lambda pairs: pairs[:1], "at least 2 pairs, got 1"),
        (lambda pairs: [pairs[0], Pair(pairs[1].image, " \n", "second")], "pair second: the text is empty"),
        (
            lambda pairs: [Pair(pairs[0].image, "<image> of", "x"), pairs[1]],
            "pair x: the text contains .* placeholder",
        ),
        (
            lambda pairs: [Pair("image.jpg", "text", "x"), pairs[0]],
            r"pair x: expected \(PIL image, text\), got \(str, str\)",
        ),
    ],
)
def test_bad_pairs_are_named(llava, pairs, change, message):
    with pytest.raises(MIRDataError, match=message):
        measure(*llava, change(pairs), progress=False)


def test_bad_settings_are_named(llava, pairs):
    with pytest.raises(MIRDataError, match="max_text_tokens must be at least 1, got 0"):
        measure(*llava, pairs, max_text_tokens=0)
    with pytest.raises(MIRDataError, match="batch_size must be at least 1, got 0"):
        measure(*llava, pairs, batch_size=0)
    with pytest.raises(MIRModelError, match="expected a torch module with local weights, got str"):
        measure("llava-hf/llava-1.5-7b-hf", llava[1], pairs)


def test_a_model_that_does_not_look_at_the_placeholder_is_refused(llava, pairs, monkeypatch):
    # As in families with cross-attention: token rows enter the decoder at every position.
    model, processor = llava

    def text_only(input_ids, attention_mask, **_):
        return model.model.language_model(
            inputs_embeds=model.get_input_embeddings()(input_ids), attention_mask=attention_mask
        )

    monkeypatch.setattr(model.model, "forward", text_only)
    with pytest.raises(MIRModelError, match="vision enters by cross-attention"):
        measure(model, processor, pairs, progress=False)


def hooks(model):
    """All hooks, transformers' own among them."""
    return [
        list(registered)
        for module in model.modules()
        for registered in (module._forward_hooks, module._forward_pre_hooks)
    ]
