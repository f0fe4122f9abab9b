"""Recipes for the original LLaVA's classes and what has their interface, against each one's own forward."""

from functools import wraps

import numpy as np
import pytest
import torch

from mir_task import MIRModelError, measure
from mir_task.adapters import Pipeline, adapter_for
from mir_task.adapters.recipes import recipe_for
from tests import oracle
from tests.adapters import stand_ins_llava as stand_ins
from tests.adapters.examples import IMAGES, PAIRS, TEXTS, masks, positions
from tests.adapters.stand_ins_llava import (
    BEFORE,
    IMAGE_ID,
    low_and_high,
    plain_tokenizer,
    process_images,
    prompt_ids,
)
from tests.tiny.common import byte_tokenizer

FAMILIES = {
    "LLaVA": (stand_ins.LlavaLlamaForCausalLM, {"image_aspect_ratio": "pad"}, 4),
    "InternVL-1.0": (stand_ins.InternVL1, {}, 4),
    "Mini-Gemini": (stand_ins.MGMLlamaForCausalLM, {}, 4),
    "Mini-Gemini-HD": (stand_ins.MGMLlamaForCausalLM, {"image_grid": 2, "image_global": True}, 20),
    "AlignGPT": (stand_ins.AlignGPTForCausalLM, {"image_aspect_ratio": "pad"}, 4),
}


@pytest.fixture(params=FAMILIES)
def family(request):
    cls, config, rows = FAMILIES[request.param]
    tokenizer = plain_tokenizer()
    return cls(tokenizer, **config), tokenizer, rows


def inputs_of(model, image):
    """The arguments of the family's own forward for an image."""
    if isinstance(model, stand_ins.MGMLlamaForCausalLM):
        low, high = low_and_high(image, model)
        return {"images": low, "images_aux": high}
    pixels = process_images([image], model.get_vision_tower().image_processor, model.config)
    more = {"image_sizes": [image.size]} if isinstance(model, stand_ins.LlavaLlamaForCausalLM) else {}
    return {"images": pixels, **more}


def own_rows(model, tokenizer, image, text):
    """Hidden states [sequence, d] at each layer of the family's own forward."""
    ids, rows = prompt_ids(tokenizer, text), []
    inputs = inputs_of(model, image)
    if isinstance(model, stand_ins.AlignGPTForCausalLM):
        inputs["attention_mask"] = torch.ones_like(ids)
        model.set_stage("inference")

    def take(_layer, args, kwargs):
        rows.append((args[0] if args else kwargs["hidden_states"])[0].double().numpy())

    hooks = [layer.register_forward_pre_hook(take, with_kwargs=True) for layer in model.model.layers[1:]]
    hooks.append(
        model.model.norm.register_forward_hook(lambda _norm, _args, out: rows.append(out[0].double().numpy()))
    )
    with torch.no_grad():
        model(input_ids=ids, use_cache=False, **inputs)
    for hook in hooks:
        hook.remove()
    return rows


def test_measure_finds_the_recipe_and_its_number_is_the_oracles(family):
    model, tokenizer, rows = family
    aligned = isinstance(model, stand_ins.AlignGPTForCausalLM)
    first = BEFORE + aligned  # the align vector stands behind the BOS token
    vision, text = [], []
    for pair in PAIRS:
        hidden = own_rows(model, tokenizer, pair.image, pair.text)
        vision.append([states[first : first + rows] for states in hidden])
        text.append([states[first + rows :] for states in hidden])
    by_layer = [[np.concatenate(layer) for layer in zip(*pairs, strict=True)] for pairs in (vision, text)]
    result = measure(model, tokenizer, PAIRS, progress=False)
    assert result.mir == pytest.approx(oracle.mir(*by_layer), abs=1e-6)
    assert (result.vision_tokens_per_pair, result.protocol.template) == (rows, "chat_template")
    assert len(result.protocol.template_sha256) == 64


def test_text_is_what_follows_the_image_up_to_the_end_of_the_assistants_turn(family):
    model, tokenizer, rows = family
    vision, text = masks(model, tokenizer)
    first = BEFORE + isinstance(model, stand_ins.AlignGPTForCausalLM)
    assert positions(vision) == list(range(first, first + rows))
    after = len(tokenizer(f"\n ASSISTANT: {TEXTS[0]}</s>", add_special_tokens=False)["input_ids"])
    assert positions(text) == list(range(first + rows, first + rows + after))


def test_the_align_vector_belongs_to_neither_modality():
    model = stand_ins.AlignGPTForCausalLM(plain_tokenizer())
    vision, text = masks(model, plain_tokenizer())
    assert not vision[1] and not text[1]
    assert model.stage == "inference"


def test_a_placeholder_in_the_text_is_text(family):
    model, tokenizer, rows = family
    pairs = [(IMAGES[0], "It says <image> on the door."), PAIRS[0]]
    assert measure(model, tokenizer, pairs, progress=False).vision_tokens_per_pair == rows


def test_a_prompt_that_the_familys_code_would_cut_is_refused(family):
    model, tokenizer, _rows = family
    model.config.tokenizer_model_max_length = BEFORE + 40
    with pytest.raises(MIRModelError, match=r"reach the \d+ positions at which the model's own code cuts"):
        measure(model, tokenizer, PAIRS, progress=False)


def test_a_prompt_that_is_longer_than_the_context_is_refused(family):
    model, tokenizer, _rows = family
    model.config.max_position_embeddings = BEFORE + 40
    with pytest.raises(
        MIRModelError, match=rf"positions, the model's context is {BEFORE + 40}; lower max_text"
    ):
        measure(model, tokenizer, PAIRS, progress=False)


@pytest.mark.parametrize(
    ("tokenizer", "start"),
    [
        (plain_tokenizer(), "<s> Be polite. USER:"),
        (byte_tokenizer(), "<s><|im_start|>system\nAnswer.<|im_end|>"),
    ],
    ids=["vicuna", "chatml"],
)
def test_the_template_is_the_one_whose_roles_the_tokenizer_knows(tokenizer, start):
    model = stand_ins.LlavaLlamaForCausalLM(tokenizer)
    seen = []
    prepare = model.prepare_inputs_labels_for_multimodal

    @wraps(prepare)
    def watched(input_ids, *args, **kwargs):
        seen.append(input_ids[0])
        return prepare(input_ids, *args, **kwargs)

    model.prepare_inputs_labels_for_multimodal = watched
    measure(model, tokenizer, PAIRS, progress=False)
    before = seen[0][: seen[0].tolist().index(IMAGE_ID)]
    assert tokenizer.decode(before).replace(" ", "").startswith(start.replace(" ", ""))


def test_another_conversation_is_another_fingerprint_and_an_unknown_one_is_refused():
    tokenizer = byte_tokenizer()
    model = stand_ins.LlavaLlamaForCausalLM(tokenizer)
    recipe = recipe_for(model)
    first, second = recipe(model, tokenizer), recipe(model, tokenizer, conversation="vicuna_v1")
    assert isinstance(second, Pipeline) and first.fingerprint != second.fingerprint
    with pytest.raises(
        MIRModelError, match="no conversation template llava_v9, but chatml_direct, vicuna_v1"
    ):
        recipe(model, tokenizer, conversation="llava_v9")


def test_a_tower_that_is_not_loaded_is_refused_with_what_to_do(family):
    model, tokenizer, _rows = family
    del model.get_vision_tower().image_processor
    with pytest.raises(MIRModelError, match="vision tower is not loaded; .* load_pretrained_model"):
        adapter_for(model, tokenizer)


def test_a_class_without_its_repository_is_refused_with_what_to_do():
    model = type("LlavaLlamaForCausalLM", (stand_ins.Spliced,), {})(plain_tokenizer())
    with pytest.raises(MIRModelError, match="repository's module 'conversation' is not found beside"):
        adapter_for(model, plain_tokenizer())


def test_aligngpt_in_its_first_stage_is_refused():
    model = stand_ins.AlignGPTForCausalLM(plain_tokenizer())
    model.set_stage("pretrain")
    with pytest.raises(MIRModelError, match="takes each pair's level of alignment"):
        adapter_for(model, plain_tokenizer())


def test_mini_geminis_image_processor_is_left_as_it_was():
    model = stand_ins.MGMLlamaForCausalLM(plain_tokenizer(), image_grid=2, image_global=True)
    processor = model.get_vision_tower().image_processor
    before = dict(processor.crop_size), dict(processor.size)
    measure(model, plain_tokenizer(), PAIRS, progress=False)
    assert (dict(processor.crop_size), dict(processor.size)) == before
    assert set(model.get_vision_tower().seen) == {(5, 3, 28, 28)}
