"""The base of all adapters, on a tiny LLaVA."""

import copy

import pytest
import torch
from PIL import Image
from torch import nn
from transformers import BertConfig, BertModel, MllamaConfig, MllamaForConditionalGeneration

from mir_task import MIRDataError, MIRModelError, measure
from mir_task.adapters import ADAPTERS, adapter_for
from mir_task.adapters.base import truncate
from mir_task.adapters.decoder import find_decoder
from mir_task.adapters.generic import GenericAdapter
from mir_task.adapters.positions import find_positions
from mir_task.adapters.provenance import check_agreement, check_provenance, record_provenance

IMAGE = Image.new("RGB", (90, 60), (200, 30, 30))
VISION_TOKENS = 64


def prepared(llava, text="A red field.", limit=100):
    """The adapter, and its inputs for a red image and a text."""
    adapter = adapter_for(*llava)
    return adapter, adapter.prepare(IMAGE, text, limit)


def masks(adapter, inputs):
    """Vision and text positions, found by placeholder id."""
    return find_positions(adapter, inputs, adapter.vision_mask(inputs), None)


def decoded(llava, ids):
    _, processor = llava
    return processor.tokenizer.decode(ids)


def test_decoder_is_found_below_the_vision_tower(llava):
    model, _ = llava
    decoder = find_decoder(model)
    assert decoder.layers is model.model.language_model.layers
    assert decoder.norm is model.model.language_model.norm
    assert decoder.stack is model.model.language_model
    assert decoder.embedding is model.get_input_embeddings()


def test_model_without_a_final_norm_is_refused():
    config = BertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    with pytest.raises(MIRModelError, match="BertModel: expected one final norm"):
        find_decoder(BertModel(config))


def test_text_is_the_assistants_turn(llava):
    adapter, inputs = prepared(llava)
    assert adapter.template == "chat_template"
    ids = inputs["input_ids"][0]
    prompt = decoded(llava, ids)
    assert prompt.startswith("<s>USER: <image>")
    assert prompt.endswith("\n ASSISTANT: A red field.</s>")
    assert (ids == llava[1].tokenizer.bos_token_id).sum() == 1


def test_vision_is_every_placeholder_and_text_all_after_it(llava):
    adapter, inputs = prepared(llava)
    vision, text = masks(adapter, inputs)
    assert vision.sum() == VISION_TOKENS
    assert decoded(llava, inputs["input_ids"][0][text]) == "\n ASSISTANT: A red field.</s>"
    neither = ~(vision | text)
    assert decoded(llava, inputs["input_ids"][0][neither]) == "<s>USER: "


def test_padding_is_no_text(llava):
    adapter, inputs = prepared(llava)
    _, text = masks(adapter, inputs)
    pad = adapter.tokenizer.pad_token_id
    inputs["input_ids"] = nn.functional.pad(inputs["input_ids"], (0, 5), value=pad)
    inputs["attention_mask"] = nn.functional.pad(inputs["attention_mask"], (0, 5))
    _, padded_text = masks(adapter, inputs)
    assert padded_text.tolist() == text.tolist() + [False] * 5


def test_without_a_template_image_newline_text(llava):
    llava[1].chat_template = None
    adapter, inputs = prepared(llava)
    assert (adapter.template, adapter.template_sha256) == ("plain", None)
    ids = inputs["input_ids"][0]
    assert decoded(llava, ids[~adapter.vision_mask(inputs)]) == "<s>\nA red field."


def test_a_template_that_writes_bos_gets_no_second_one(llava):
    llava[1].chat_template = "{{ bos_token }}" + llava[1].chat_template
    _, inputs = prepared(llava)
    assert (inputs["input_ids"] == llava[1].tokenizer.bos_token_id).sum() == 1


def test_template_set_on_the_tokenizer_by_another_task_is_not_used(llava):
    _, processor = llava
    processor.chat_template = None
    tokenizer = processor.tokenizer
    before, tokenizer.chat_template = tokenizer.chat_template, "{{ 'something else' }}"
    try:
        assert adapter_for(*llava).template == "plain"
    finally:
        tokenizer.chat_template = before


@pytest.mark.parametrize("limit", [1, 7, 30, 10_000])
def test_text_is_cut_to_whole_tokens(llava, limit):
    tokenizer = llava[1].tokenizer
    text = "A ferry left the harbour at noon, carrying forty passengers and one very patient goat."
    cut = truncate(text, tokenizer, limit)
    assert text.startswith(cut)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer(cut, add_special_tokens=False)["input_ids"] == ids[:limit]


def test_neither_image_nor_the_rest_of_the_template_is_cut(llava):
    adapter, inputs = prepared(llava, text="word " * 500, limit=3)
    assert adapter.vision_mask(inputs).sum() == VISION_TOKENS
    assert decoded(llava, inputs["input_ids"][0]).endswith("</s>")


@pytest.mark.parametrize("token", ["<image>", "</s>", "<s>"])
def test_a_control_token_in_the_text_is_text(llava, token):
    adapter, inputs = prepared(llava, text=f"A {token} of a field.")
    assert adapter.vision_mask(inputs).sum() == VISION_TOKENS
    _, spelled = prepared(llava, text=f"A {token[0]} {token[1:]} of a field.")
    assert torch.equal(inputs["input_ids"], spelled["input_ids"])


def test_sequence_beyond_the_context_is_refused(llava):
    with pytest.raises(MIRDataError, match=r"take \d+ tokens, the model's context is 2048; lower max_text"):
        prepared(llava, text="word " * 3000, limit=10_000)


def test_processor_of_another_model_is_refused(llava):
    model, processor = llava
    model = copy.copy(model)
    model.config = copy.deepcopy(model.config)
    model.config.image_token_id = model.config.image_token_index = 3
    adapter = adapter_for(model, processor)
    with pytest.raises(MIRModelError, match=r"no image placeholder \(id 3\)"):
        adapter.vision_mask(adapter.prepare(IMAGE, "A red field.", 100))


def test_something_else_than_a_processor_is_refused(llava):
    with pytest.raises(MIRModelError, match="expected the model's processor"):
        adapter_for(llava[0], llava[1].tokenizer.backend_tokenizer)


def test_cross_attention_family_is_refused_with_the_reason():
    config = MllamaConfig(
        text_config={
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "cross_attention_layers": [1],
            "vocab_size": 64,
            "pad_token_id": 0,
            "rope_scaling": {"rope_type": "default"},  # 4.57 has no default for it
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "attention_heads": 2,
            "num_global_layers": 1,
            "vision_output_dim": 32,
            "intermediate_layers_indices": [0],
            "image_size": 28,
            "patch_size": 14,
        },
    )
    with pytest.raises(MIRModelError, match="vision enters by cross-attention"):
        adapter_for(MllamaForConditionalGeneration(config), None)


def test_unknown_family_is_read_by_provenance_alone(llava, pairs, monkeypatch):
    known = measure(*llava, pairs, progress=False)
    monkeypatch.delitem(ADAPTERS, "llava")
    monkeypatch.setattr(GenericAdapter, "image_id", None)  # as if its config named no placeholder
    adapter, inputs = prepared(llava)
    assert (type(adapter), adapter.vision_mask(inputs)) == (GenericAdapter, None)
    generic = measure(*llava, pairs, progress=False)
    assert (generic.mir, generic.layers) == (known.mir, known.layers)


def test_an_adapter_may_leave_positions_out_of_both_modalities(llava, pairs, monkeypatch):
    # As a family with a learned vector beside the image would: here the first and the last vision row.
    class WithoutEnds(type(adapter_for(*llava))):
        def split(self, inputs, vision, attended):
            vision, text = super().split(inputs, vision, attended)
            positions = vision.nonzero().flatten()
            vision[positions[[0, -1]]] = False
            return vision, text

    whole = measure(*llava, pairs, progress=False)
    monkeypatch.setitem(ADAPTERS, "llava", WithoutEnds)
    without = measure(*llava, pairs, progress=False)
    assert without.vision_tokens_per_pair == whole.vision_tokens_per_pair - 2
    assert without.text_tokens_per_pair == whole.text_tokens_per_pair


def test_provenance_agrees_with_the_placeholder(llava):
    adapter, inputs = prepared(llava)
    with record_provenance(adapter.decoder) as provenance, torch.inference_mode():
        adapter.prefill(inputs)
    assert torch.equal(provenance.vision_mask(), adapter.vision_mask(inputs))
    assert not adapter.decoder.embedding._forward_hooks


def test_disagreement_shows_both_runs_of_positions():
    by_id = torch.tensor([0, 1, 1, 1, 0, 0, 1, 0]).bool()
    by_provenance = torch.tensor([0, 0, 1, 1, 0, 0, 1, 1]).bool()
    message = r"by placeholder id they are 1-3, 6-6 of 8, by provenance 2-3, 6-7 of 8"
    with pytest.raises(MIRModelError, match=message):
        check_agreement(by_id, by_provenance, "Model")


@pytest.mark.parametrize(
    ("vision", "attended", "message"),
    [
        pytest.param([0, 0, 0, 0], [1, 1, 1, 1], "cross-attention", id="no vision row"),
        pytest.param([1, 0, 0, 1], [0, 1, 1, 0], "cross-attention", id="padding at both ends"),
        pytest.param(
            [1, 0, 1, 0], [0, 1, 0, 1], "enter the decoder at 2-2 of 4, .* hides", id="hidden in the text"
        ),
        pytest.param([1, 1, 1, 1], [1, 1, 1, 1], "no input row", id="no text row"),
    ],
)
def test_a_sequence_of_one_modality_is_refused(vision, attended, message):
    with pytest.raises(MIRModelError, match=message):
        check_provenance(torch.tensor(vision).bool(), torch.tensor(attended).bool(), "Model")
