"""Every family's real classes, at a tiny size: rows, layers and positions are what they should be."""

from typing import NamedTuple

import pytest
import torch
from accelerate import dispatch_model
from accelerate.hooks import remove_hook_from_submodules
from PIL import Image

from mir_task import MIRModelError, Pair, measure
from mir_task.adapters import ADAPTERS, FAMILIES, adapter_for
from mir_task.adapters.capture import capture_layers
from mir_task.adapters.positions import find_positions
from mir_task.adapters.prefill import PreparedPair, prefill
from mir_task.adapters.provenance import record_provenance
from tests.tiny import RECIPES, build
from tests.tiny.parts import OLD


class Case(NamedTuple):
    """What is known of a family from elsewhere: its own source."""

    model_type: str
    layers: str
    norm: str
    placeholder: str | None
    """None: the processor gives a mask."""
    tiles: bool = False


LLM = ("model.language_model.layers", "model.language_model.norm")
OPT = "language_model.model.decoder"
CASES = {
    "llava": Case("llava", *LLM, "<image>"),
    "llava_interleave": Case("llava", *LLM, "<image>"),
    "llava_next": Case("llava_next", *LLM, "<image>", tiles=True),
    "llava_next_video": Case("llava_next_video", *LLM, "<image>", tiles=True),
    "llava_onevision": Case("llava_onevision", *LLM, "<image>", tiles=True),
    "vipllava": Case("vipllava", *LLM, "<image>"),
    "qwen2_vl": Case("qwen2_vl", *LLM, "<|image_pad|>", tiles=True),
    "qwen2_5_vl": Case("qwen2_5_vl", *LLM, "<|image_pad|>", tiles=True),
    "qwen3_vl": Case("qwen3_vl", *LLM, "<|image_pad|>", tiles=True),
    "qwen3_5": Case("qwen3_5", *LLM, "<|image_pad|>", tiles=True),
    "internvl": Case("internvl", *LLM, "<IMG_CONTEXT>", tiles=True),
    "minicpmv4_6": Case("minicpmv4_6", *LLM, "<|image|>", tiles=True),
    "minicpmv4_7": Case("minicpmv4_7", *LLM, "<|image|>", tiles=True),
    "glm4v": Case("glm4v", *LLM, "<|image|>", tiles=True),
    "blip2_opt": Case("blip-2", f"{OPT}.layers", f"{OPT}.final_layer_norm", "<image>"),
    "blip2_t5": Case(
        "blip-2", "language_model.encoder.block", "language_model.encoder.final_layer_norm", "<image>"
    ),
    "instructblip": Case("instructblip", f"{OPT}.layers", f"{OPT}.final_layer_norm", "<image>"),
    "fuyu": Case(
        "fuyu", "model.language_model.layers", "model.language_model.final_layernorm", "|SPEAKER|", True
    ),
    "idefics2": Case("idefics2", "model.text_model.layers", "model.text_model.norm", "<image>"),
    "idefics3": Case("idefics3", "model.text_model.layers", "model.text_model.norm", "<image>", tiles=True),
    "smolvlm": Case("smolvlm", "model.text_model.layers", "model.text_model.norm", "<image>", tiles=True),
    "paligemma": Case("paligemma", *LLM, "<image>"),
    "gemma3": Case("gemma3", *LLM, "<image_soft_token>"),
    "mistral3": Case("mistral3", *LLM, "[IMG]", tiles=True),
    "deepseek_vl": Case(
        "deepseek_vl", "model.language_model.layers", "model.language_model.norm", "<image_placeholder>"
    ),
    "kosmos2": Case("kosmos-2", "text_model.model.layers", "text_model.model.layer_norm", None),
    "aya_vision": Case("aya_vision", *LLM, "<|IMG_PATCH|>", tiles=True),
}
# Their LM head is part of the module that looks at the image (Fuyu: that knows its processor's old names).
WITH_HEAD = {"kosmos2", "blip2_opt", "blip2_t5", "instructblip"} | (set() if OLD else {"fuyu"})

SQUARE, WIDE = Image.effect_mandelbrot((60, 60), (-3, -2.5, 2, 2.5), 9), Image.linear_gradient("L")
IMAGES = [SQUARE.convert("RGB"), WIDE.resize((200, 100)).convert("RGB")]
TEXTS = ["A ferry left at noon.", "Nobody had told the goat, who was patient, that it would be a long way."]
TURNED = [image.rotate(180) for image in IMAGES]
PAIRS = [
    Pair(image, text, f"pair {index}")
    for index, (image, text) in enumerate(zip(IMAGES + TURNED, TEXTS * 2, strict=True))
]


@pytest.fixture(scope="module", params=CASES)
def family(request):
    try:
        model, processor = build(request.param)
    except AttributeError as error:  # raised by transformers for classes that it does not have
        pytest.skip(f"this transformers has no such class: {error}")
    return request.param, CASES[request.param], adapter_for(model, processor)


def read(adapter, inputs):
    """Rows and masks of one prefill, read as the probe reads them."""
    masks = []

    def positions():
        masks.extend(find_positions(adapter, inputs, adapter.vision_mask(inputs), provenance))
        return masks

    with (
        torch.inference_mode(),
        record_provenance(adapter.decoder) as provenance,
        capture_layers(adapter.decoder, positions) as rows,
    ):
        adapter.prefill(inputs)
    return rows, *masks


def prepared(adapter, index=0):
    return adapter.prepare(IMAGES[index], TEXTS[index], 1000)


def test_a_batch_of_pairs_gives_the_rows_of_each(family):
    _, _, adapter = family
    if not adapter.batched:
        pytest.skip("goes one pair at a time")
    # Texts of different lengths, so that some are padded; images of one size, as those of several may not go together.
    texts = [
        "Short.",
        "A longer text that many tokens are needed for, so that the others are padded.",
        TEXTS[0],
    ]
    pairs = [PreparedPair(text, adapter.prepare(IMAGES[1], text, 1000)) for text in texts]
    assert len({pair.inputs["input_ids"].shape[1] for pair in pairs}) == 3
    passes = []
    with torch.inference_mode():
        alone = [prefill(adapter, [pair], check=True)[0] for pair in pairs]
        handle = adapter.decoder.norm.register_forward_hook(lambda *_: passes.append(1))
        together = prefill(adapter, pairs, check=False)
        handle.remove()
    assert len(passes) == 1
    for expected, rows in zip(alone, together, strict=True):
        for modality, expected_modality in zip(rows, expected, strict=True):
            assert modality.keys() == expected_modality.keys()
            for layer, hidden in modality.items():
                torch.testing.assert_close(hidden, expected_modality[layer], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["llava_next", "qwen2_vl", "internvl"], indirect=True)
def test_mir_of_batches_is_that_of_single_pairs(family):
    # Images of two sizes: in tiles, in patches, and not to be brought together for InternVL.
    _, _, adapter = family
    alone, batches = (
        measure(adapter.model, adapter.processor, PAIRS, progress=False, batch_size=size) for size in (1, 3)
    )
    assert (alone.batch_size, batches.batch_size) == (1, 3)
    assert batches.mir == pytest.approx(alone.mir, rel=1e-5)
    assert batches.protocol == alone.protocol


def test_every_recipe_is_a_case():
    assert set(RECIPES) == set(CASES)
    assert len(CASES) >= 18


def test_table_calls_tested_what_is_tested():
    claimed = {
        model_type
        for adapter in FAMILIES
        for systems in adapter.systems
        for model_type in systems.model_types
        if systems.tested == "native class"
    }
    assert claimed == {case.model_type for case in CASES.values()}


def test_decoder_is_the_familys(family):
    _, case, adapter = family
    layers, norm = (adapter.model.get_submodule(path) for path in (case.layers, case.norm))
    assert adapter.decoder.layers is layers
    assert adapter.decoder.norm is norm


def test_rows_are_the_next_layers_input_and_the_final_norms_output(family):
    _, case, adapter = family
    inputs = prepared(adapter)
    expected = {}

    def keep(layer, which):
        def hook(_module, *args):
            # Pre-hooks get (positional, keyword) arguments, hooks (positional arguments, output).
            states = args[1] if which == "output" else [*args[0], *args[1].values()][0]
            expected[layer] = states.detach().clone()[0]

        return hook

    layers = adapter.model.get_submodule(case.layers)
    norm = adapter.model.get_submodule(case.norm)
    handles = [
        layer.register_forward_pre_hook(keep(number, "input"), with_kwargs=True)
        for number, layer in enumerate(layers)
        if number
    ]
    handles.append(norm.register_forward_hook(keep(len(layers), "output")))
    rows, vision, text = read(adapter, inputs)
    for handle in handles:
        handle.remove()
    assert sorted(rows.vision) == sorted(rows.text) == sorted(expected) == [1, 2, 3, 4]
    for layer, states in expected.items():
        assert torch.equal(rows.vision[layer], states[vision])
        assert torch.equal(rows.text[layer], states[text])


def test_rows_are_the_models_own_hidden_states(family):
    name, _, adapter = family
    if name == "qwen3_vl":
        pytest.skip(
            "what transformers means by its hidden states changed: 4.57 adds deepstack features first"
        )
    inputs = prepared(adapter)
    with torch.inference_mode():
        if name == "blip2_t5":
            start = torch.zeros(1, 1, dtype=torch.long)
            out = adapter.model(**inputs, decoder_input_ids=start, output_hidden_states=True)
        else:
            out = adapter.model(**inputs, output_hidden_states=True)
    if "language_model_outputs" in out:
        out = out.language_model_outputs
    states = out.encoder_hidden_states if name == "blip2_t5" else out.hidden_states
    rows, vision, text = read(adapter, inputs)
    assert len(states) == 1 + len(rows.vision)
    for layer, expected in enumerate(states[1:], start=1):
        torch.testing.assert_close(rows.vision[layer], expected[0, vision])
        torch.testing.assert_close(rows.text[layer], expected[0, text])


@pytest.mark.parametrize("index", [0, 1])
def test_positions_are_those_of_the_placeholder(family, index):
    _, case, adapter = family
    inputs = prepared(adapter, index)
    ids = inputs["input_ids"][0]
    if case.placeholder is None:
        expected = inputs["image_embeds_position_mask"][0].bool()
    else:
        expected = ids == adapter.tokenizer.convert_tokens_to_ids(case.placeholder)
    _, vision, text = read(adapter, inputs)
    assert torch.equal(vision, expected)
    # Text is all that follows; what precedes the last vision row and is none is of neither modality.
    last = int(expected.nonzero().max())
    assert text.nonzero().flatten().tolist() == list(range(last + 1, len(ids)))
    assert vision.sum() + text.sum() + (~vision & ~text)[: last + 1].sum() == len(ids)
    written = adapter.tokenizer.decode(ids[text]).replace("##", "").replace("▁", "")
    assert "".join(TEXTS[index].split()) in "".join(written.split())


# Tokens around image rows and between them, which these count as the image's too: of the second image.
AROUND = {"internvl": 2, "aya_vision": 5, "idefics3": 9, "mistral3": 1, "fuyu": 2}
UNCOUNTED = {"minicpmv4_6", "minicpmv4_7", "blip2_opt", "blip2_t5", "instructblip", "idefics2", "smolvlm"}
UNCOUNTED |= {"llava_interleave"}  # looks for a crop size, which SigLIP's image processor has none of
UNCOUNTED |= {"glm4v", "fuyu", "idefics3"} if OLD else set()  # 4.57 counts them wrongly


def test_vision_tokens_are_as_many_as_the_processor_says(family):
    name, _, adapter = family
    if name in UNCOUNTED or not hasattr(adapter.processor, "_get_num_multimodal_tokens"):
        pytest.skip(f"the processor of {name} does not count tokens")
    size = (IMAGES[1].height, IMAGES[1].width)
    (count,) = adapter.processor._get_num_multimodal_tokens(image_sizes=[size])["num_image_tokens"]
    _, vision, _ = read(adapter, prepared(adapter, 1))
    assert vision.sum() == count - AROUND.get(name, 0)


def test_an_image_of_another_shape_makes_other_tiles(family):
    _, case, adapter = family
    square, wide = (int(read(adapter, prepared(adapter, index))[1].sum()) for index in (0, 1))
    assert (square != wide) == case.tiles


def test_padding_is_never_counted(family):
    _, _, adapter = family
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


def test_measures_in_float32_bfloat16_and_behind_accelerates_hooks(family):
    _, _, adapter = family
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
    # Eight pairs' worth of rows in a tiny model: far from a precise number, but the same within round-off.
    assert half.mir == pytest.approx(exact.mir, abs=0.1)


def test_hooks_go_and_outputs_stay(family):
    _, case, adapter = family
    inputs = prepared(adapter)

    def hooks():
        return [
            list(registered)
            for module in adapter.model.modules()
            for registered in (module._forward_hooks, module._forward_pre_hooks)
        ]

    def final_states():
        states = []
        handle = adapter.model.get_submodule(case.norm).register_forward_hook(
            lambda _module, _args, output: states.append(output.clone())
        )
        adapter.prefill(inputs)
        handle.remove()
        return states[0]

    before = hooks()
    with torch.inference_mode():
        plain = final_states()
        with (
            record_provenance(adapter.decoder) as provenance,
            capture_layers(adapter.decoder, lambda: find_positions(adapter, inputs, None, provenance)),
        ):
            hooked = final_states()
    assert torch.equal(plain, hooked)
    assert hooks() == before

    handle = adapter.decoder.layers[2].register_forward_hook(lambda *_: 1 / 0)
    try:
        with pytest.raises(ZeroDivisionError):
            measure(adapter.model, adapter.processor, PAIRS, progress=False)
    finally:
        handle.remove()
    assert hooks() == before


def test_lm_head_is_left_out_where_it_can_be(family):
    name, _, adapter = family
    calls = []
    handle = adapter.model.get_output_embeddings().register_forward_hook(lambda *_: calls.append(1))
    with torch.inference_mode():
        adapter.prefill(prepared(adapter))
    handle.remove()
    assert bool(calls) == (name in WITH_HEAD)


def test_registered_families_are_taken_by_their_own_adapter(family):
    _, case, adapter = family
    assert adapter.model.config.model_type == case.model_type
    assert type(adapter) is ADAPTERS[case.model_type]


def test_the_placeholder_of_another_model_is_an_error(family):
    # An id that the text holds but the model does not look at.
    _, _, adapter = family
    inputs = prepared(adapter)
    wrong = inputs["input_ids"][0] == inputs["input_ids"][0, -2]
    with (
        torch.inference_mode(),
        record_provenance(adapter.decoder) as provenance,
        pytest.raises(MIRModelError, match=r"by placeholder id they are .* of \d+, by provenance \d+-\d+"),
        capture_layers(adapter.decoder, lambda: find_positions(adapter, inputs, wrong, provenance)),
    ):
        adapter.prefill(inputs)
