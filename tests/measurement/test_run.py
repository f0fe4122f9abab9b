import copy
import math
import re

import numpy as np
import pytest
import torch
from loguru import logger

from mir_task import MIRDataError, MIRModelError, Pair, measure
from mir_task.adapters import adapter_for
from tests import oracle
from tests.hooks import hooks


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


BAD_PAIRS = {
    "none": (lambda pairs: [], "at least 2 pairs, got 0"),
    "one": (lambda pairs: pairs[:1], "at least 2 pairs, got 1"),
    "an empty text": (
        lambda pairs: [pairs[0], Pair(pairs[1].image, " \n", "second")],
        "pair second: the text is empty",
    ),
    "no image": (
        lambda pairs: [Pair("image.jpg", "text", "x"), pairs[0]],
        r"pair x: expected \(PIL image, text\), got \(str, str\)",
    ),
    "longer than the context": (
        lambda pairs: [Pair(pairs[0].image, "word " * 3000, "long"), pairs[1]],
        r"pair long: image and text take \d+ tokens, the model's context is 2048",
    ),
}


@pytest.mark.parametrize("kind", BAD_PAIRS)
def test_bad_pairs_are_named(llava, pairs, kind):
    change, message = BAD_PAIRS[kind]
    with pytest.raises(MIRDataError, match=message):
        measure(*llava, change(pairs), progress=False, max_text_tokens=10_000)


BAD_SETTINGS = {
    "max_text_tokens": (0, "max_text_tokens must be a whole number of at least 1, got 0"),
    "batch_size": ("auto", "batch_size must be a whole number of at least 1, got 'auto'"),
    "max_memory": ("plenty", "max_memory must be a size such as 12GiB, got 'plenty'"),
    "on_error": ("ignore", "on_error must be 'raise' or 'skip', got 'ignore'"),
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_bad_settings_are_named(llava, pairs, name):
    value, message = BAD_SETTINGS[name]
    with pytest.raises(MIRDataError, match=message):
        measure(*llava, pairs, progress=False, **{name: value})


def test_a_size_of_memory_may_have_a_unit(llava, pairs):
    plain = measure(*llava, pairs[:2], progress=False)
    assert measure(*llava, pairs[:2], progress=False, max_memory="1GiB").mir == plain.mir


def on_meta(model):
    with torch.device("meta"):
        return type(model)(model.config)


NO_MODELS = {
    "a name": (
        lambda model: "llava-hf/llava-1.5-7b-hf",
        "expected a torch module with local weights, got str",
    ),
    "a wrapper": (torch.nn.DataParallel, r"inside a DataParallel; give the model itself: model\.module"),
    "no weights": (on_meta, r"no weights: \d+ of its modules are on the device 'meta' \(.* from_pretrained"),
}


@pytest.mark.parametrize("kind", NO_MODELS)
def test_what_is_no_model_to_measure_is_named(llava, pairs, kind):
    change, message = NO_MODELS[kind]
    with pytest.raises(MIRModelError, match=message):
        measure(change(llava[0]), llava[1], pairs, progress=False)


def test_a_pair_that_the_processor_fails_on_is_named_and_can_be_skipped(llava, pairs):
    model, processor = llava

    class Failing(type(processor)):
        def __call__(self, text, **kwargs):
            if pairs[2].text[:40] in text[0]:
                raise ValueError("Mismatch in image token count\nand much more")
            return super().__call__(text=text, **kwargs)

    failing = copy.copy(processor)
    failing.__class__ = Failing
    message = (
        f"^pair {re.escape(pairs[2].id)}: .* cannot prepare it: ValueError: Mismatch in image token count$"
    )
    with pytest.raises(MIRDataError, match=message):
        measure(model, failing, pairs, progress=False)
    result = measure(model, failing, pairs, progress=False, on_error="skip")
    assert [skipped.number for skipped in result.skipped] == [2]
    assert result.mir == measure(*llava, [*pairs[:2], *pairs[3:]], progress=False).mir


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_inside_autocast_the_weights_dtype_is_measured(llava, pairs, dtype):
    expected = measure(*llava, pairs[:3], progress=False)
    with torch.autocast("cpu", dtype):
        assert measure(*llava, pairs[:3], progress=False).mir == expected.mir
        assert torch.is_autocast_enabled("cpu")


def test_of_identical_pairs_there_is_a_warning_and_no_standard_error(llava, pairs):
    messages = []
    handle = logger.add(messages.append, level="WARNING", format="{message}")
    try:
        same = [pairs[0]._replace(id=f"copy {number}") for number in range(8)]
        result = measure(*llava, same, progress=False)
    finally:
        logger.remove(handle)
    assert any("7 of 8 pairs have the image and the text of another one" in message for message in messages)
    assert result.standard_error is None and result.mir_bias_corrected is None
    for layer in result.layers:
        assert (layer.standard_error, layer.noise_floor_vision, layer.noise_floor_text) == (None,) * 3


@pytest.mark.parametrize("uncertainty", [True, False])
def test_a_few_pairs_that_come_twice_leave_the_standard_error_with_a_warning(llava, ten_pairs, uncertainty):
    messages = []
    handle = logger.add(messages.append, level="WARNING", format="{message}")
    try:
        twice = [*ten_pairs, ten_pairs[3]._replace(id="again")]
        result = measure(*llava, twice, progress=False, uncertainty=uncertainty)
    finally:
        logger.remove(handle)
    assert (result.standard_error is not None) == uncertainty
    (said,) = (message for message in messages if "1 of 11 pairs" in message)
    assert ("the standard error takes them for independent" in said) == uncertainty


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


def test_without_uncertainty_the_number_is_the_same_and_the_result_says_so(llava, ten_pairs):
    whole = measure(*llava, ten_pairs, progress=False)
    bare = measure(*llava, ten_pairs, progress=False, uncertainty=False)
    assert bare.mir == pytest.approx(whole.mir, rel=1e-12)
    assert bare.mir_reference == pytest.approx(whole.mir_reference, rel=1e-12)
    assert (whole.uncertainty, bare.uncertainty) == (True, False)
    assert bare.standard_error is None and bare.mir_bias_corrected is None
    assert all(layer.standard_error is layer.noise_floor_text is None for layer in bare.layers)
