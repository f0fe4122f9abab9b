"""Every family's real classes, at a tiny size: rows, layers and positions are what they should be."""

import pytest
import torch
from accelerate import dispatch_model
from accelerate.hooks import remove_hook_from_submodules

from mir_task import MIRModelError, measure
from mir_task.adapters import ADAPTERS, FAMILIES
from mir_task.adapters.capture import capture_layers
from mir_task.adapters.positions import find_positions
from mir_task.adapters.provenance import record_provenance
from mir_task.adapters.systems import NATIVE
from tests.adapters.cases import CASES
from tests.adapters.examples import PAIRS, TEXTS, WIDE, prepared, read
from tests.hooks import hooks
from tests.tiny import BUILDERS

# What transformers means by Qwen3-VL's hidden states changed: 4.57 adds deepstack features first.
OWN_STATES = [name for name in CASES if name != "qwen3_vl"]
COUNTED = [name for name, case in CASES.items() if case.counts]


def test_every_tiny_model_is_a_case():
    assert set(BUILDERS) == set(CASES)
    assert len(CASES) >= 18


def test_table_calls_tested_what_is_tested():
    claimed = {
        model_type
        for adapter in FAMILIES
        for systems in adapter.systems
        for model_type in systems.model_types
        if systems.tested == NATIVE
    }
    assert claimed == {case.model_type for case in CASES.values()}


def test_registered_families_are_taken_by_their_own_adapter(case, adapter):
    assert adapter.model.config.model_type == case.model_type
    assert type(adapter) is ADAPTERS[case.model_type]


def test_decoder_is_the_familys(case, adapter):
    assert adapter.decoder.layers is adapter.model.get_submodule(case.layers)
    assert adapter.decoder.norm is adapter.model.get_submodule(case.norm)


def test_rows_are_the_next_layers_input_and_the_final_norms_output(case, adapter):
    layers = adapter.model.get_submodule(case.layers)
    norm = adapter.model.get_submodule(case.norm)
    expected = {}

    def keep_input(layer):
        def hook(_module, args, kwargs):
            expected[layer - 1] = [*args, *kwargs.values()][0].detach().clone()[0]

        return hook

    def keep_output(_module, _args, output):
        expected[len(layers)] = output.detach().clone()[0]

    handles = [
        layer.register_forward_pre_hook(keep_input(number), with_kwargs=True)
        for number, layer in enumerate(layers, start=1)
        if number > 1
    ]
    handles.append(norm.register_forward_hook(keep_output))
    rows, vision, text = read(adapter, prepared(adapter))
    for handle in handles:
        handle.remove()
    assert sorted(rows.vision) == sorted(rows.text) == sorted(expected) == [1, 2, 3, 4]
    for layer, states in expected.items():
        assert torch.equal(rows.vision[layer], states[vision])
        assert torch.equal(rows.text[layer], states[text])


def own_hidden_states(family, model, inputs):
    """transformers' own hidden states of the stack in which vision and text meet, embeddings included."""
    if family == "blip2_t5":
        start = torch.zeros(1, 1, dtype=torch.long)
        output = model(**inputs, decoder_input_ids=start, output_hidden_states=True)
        return output.language_model_outputs.encoder_hidden_states
    output = model(**inputs, output_hidden_states=True)
    return getattr(output, "language_model_outputs", output).hidden_states


@pytest.mark.parametrize("family", OWN_STATES, indirect=True)
def test_rows_are_the_models_own_hidden_states(family, adapter):
    inputs = prepared(adapter)
    with torch.inference_mode():
        states = own_hidden_states(family, adapter.model, inputs)
    rows, vision, text = read(adapter, inputs)
    assert len(states) == 1 + len(rows.vision)
    for layer, expected in enumerate(states[1:], start=1):
        torch.testing.assert_close(rows.vision[layer], expected[0, vision])
        torch.testing.assert_close(rows.text[layer], expected[0, text])


@pytest.mark.parametrize("index", [0, 1])
def test_vision_is_where_the_placeholder_is_and_text_all_that_follows(case, adapter, index):
    inputs = prepared(adapter, index)
    ids = inputs["input_ids"][0]
    if case.placeholder is None:
        expected = inputs["image_embeds_position_mask"][0].bool()
    else:
        expected = ids == adapter.tokenizer.convert_tokens_to_ids(case.placeholder)
    _, vision, text = read(adapter, inputs)
    assert torch.equal(vision, expected)
    last = int(expected.nonzero().max())
    assert text.nonzero().flatten().tolist() == list(range(last + 1, len(ids)))


@pytest.mark.parametrize("index", [0, 1])
def test_text_positions_hold_the_text(adapter, index):
    inputs = prepared(adapter, index)
    _, _, text = read(adapter, inputs)
    written = adapter.tokenizer.decode(inputs["input_ids"][0][text])
    # Tiny tokenizers of one token a letter leave their marks of words between letters.
    written = written.replace("##", "").replace("▁", "")
    assert "".join(TEXTS[index].split()) in "".join(written.split())


@pytest.mark.parametrize("family", COUNTED, indirect=True)
def test_vision_tokens_are_as_many_as_the_processor_says(case, adapter):
    counts = adapter.processor._get_num_multimodal_tokens(image_sizes=[(WIDE.height, WIDE.width)])
    (count,) = counts["num_image_tokens"]
    _, vision, _ = read(adapter, prepared(adapter, 1))
    assert vision.sum() == count - case.around


def test_the_shape_of_the_image_counts_where_there_are_tiles(case, adapter):
    square, wide = (int(read(adapter, prepared(adapter, index)).vision.sum()) for index in (0, 1))
    assert (square != wide) == case.tiles


def test_padding_is_never_counted(adapter):
    inputs = prepared(adapter)
    rows, vision, text = read(adapter, inputs)
    length = inputs["input_ids"].shape[1]
    padded = {
        name: torch.nn.functional.pad(value, (0, 7)) if value.shape[:2] == (1, length) else value
        for name, value in inputs.items()
    }
    padded["input_ids"][:, length:] = adapter.tokenizer.pad_token_id
    again, padded_vision, padded_text = read(adapter, padded)
    assert padded_vision.tolist() == vision.tolist() + [False] * 7
    assert padded_text.tolist() == text.tolist() + [False] * 7
    for layer in rows.text:
        torch.testing.assert_close(again.text[layer], rows.text[layer], atol=1e-4, rtol=1e-3)


def test_measures_in_float32_bfloat16_and_behind_accelerates_hooks(adapter):
    model, processor = adapter.model, adapter.processor
    exact = measure(model, processor, PAIRS, progress=False)
    assert exact.model.adapter == adapter.family
    dispatch_model(model, {"": "cpu"}, force_hooks=True)
    try:
        dispatched = measure(model, processor, PAIRS, progress=False)
    finally:
        remove_hook_from_submodules(model)
    assert dispatched.mir == pytest.approx(exact.mir, abs=1e-6)
    try:
        half = measure(model.bfloat16(), processor, PAIRS, progress=False)
    finally:
        model.float()
    assert half.model.dtype == "bfloat16"
    # Four pairs' rows in a tiny model: far from a precise number, but the same within round-off.
    assert half.mir == pytest.approx(exact.mir, abs=0.1)


def test_reading_rows_does_not_change_them_and_leaves_no_hooks(case, adapter):
    inputs = prepared(adapter)

    def final_states():
        states = []
        handle = adapter.model.get_submodule(case.norm).register_forward_hook(
            lambda _module, _args, output: states.append(output.clone())
        )
        adapter.prefill(inputs)
        handle.remove()
        return states[0]

    before = hooks(adapter.model)
    with torch.inference_mode():
        plain = final_states()
        with (
            record_provenance(adapter.decoder) as provenance,
            capture_layers(adapter.decoder, lambda: find_positions(adapter, inputs, None, provenance)),
        ):
            while_read = final_states()
    assert torch.equal(plain, while_read)
    assert hooks(adapter.model) == before


def test_hooks_are_gone_after_an_error(adapter):
    before = hooks(adapter.model)
    handle = adapter.decoder.layers[2].register_forward_hook(lambda *_: 1 / 0)
    try:
        with pytest.raises(ZeroDivisionError):
            measure(adapter.model, adapter.processor, PAIRS, progress=False)
    finally:
        handle.remove()
    assert hooks(adapter.model) == before


def test_lm_head_is_left_out_where_it_can_be(case, adapter):
    calls = []
    handle = adapter.model.get_output_embeddings().register_forward_hook(lambda *_: calls.append(1))
    with torch.inference_mode():
        adapter.prefill(prepared(adapter))
    handle.remove()
    assert bool(calls) == case.head_runs


def test_the_placeholder_of_another_model_is_an_error(adapter):
    inputs = prepared(adapter)
    # An id that the text holds but that the model does not take for an image.
    wrong = inputs["input_ids"][0] == inputs["input_ids"][0, -2]
    with (
        torch.inference_mode(),
        record_provenance(adapter.decoder) as provenance,
        pytest.raises(MIRModelError, match=r"by placeholder id they are .* of \d+, by provenance \d+-\d+"),
        capture_layers(adapter.decoder, lambda: find_positions(adapter, inputs, wrong, provenance)),
    ):
        adapter.prefill(inputs)
