"""The recipe for VILA and NVILA, against the family's own forward."""

import numpy as np
import pytest
import torch

from mir_task import MIRModelError, measure
from mir_task.adapters import adapter_for
from tests import oracle
from tests.adapters import stand_ins_vila as stand_ins
from tests.adapters.examples import IMAGES, PAIRS, masks, positions
from tests.tiny.common import byte_tokenizer

ROWS = 4
ASPECTS = ["resize", "dynamic", "dynamic_s2"]


def tiles_of(image):
    return 2 if image.width > image.height else 1


def own_pass(model, pair):
    """Hidden states [sequence, d] at each layer of the family's own forward, and its vision mask."""
    aspect, tiles, pixels = model.config.image_aspect_ratio, tiles_of(pair.image), None
    model.config.image_processor = model.vision_tower.image_processor
    media_config = {"image": {}}
    if aspect == "resize":
        pixels, tiles = stand_ins.process_image(pair.image, model.config, None)[None], 1
    elif aspect == "dynamic":
        pixels = stand_ins.process_image(pair.image, model.config, None, enable_dynamic_res=True)
    else:
        model.config.s2_scales = [28, 56]
        pixels, blocks = stand_ins.process_image(pair.image, model.config, None, enable_dynamic_s2=True)
        media_config["image"]["block_sizes"] = [blocks]
    places = tiles if aspect == "dynamic" else 1
    place = "<image>" if places == 1 else "\n".join(["<image>"] * places)
    prompt = f"<|im_start|>user\n{place}<|im_end|>\n<|im_start|>assistant\n{pair.text}<|im_end|>\n"
    ids = model.tokenizer(prompt, return_tensors="pt").input_ids
    with torch.no_grad():
        hidden = model(
            input_ids=ids, media={"image": list(pixels)}, media_config=media_config, output_hidden_states=True,
            use_cache=False,
        ).hidden_states[1:]  # fmt: skip
    rows = ROWS * tiles if aspect == "dynamic_s2" else ROWS
    mask = []
    for token in ids[0].tolist():  # an image's rows are followed by the embedding of a newline
        mask += [*[True] * rows, False] if token == model.tokenizer.media_token_ids["image"] else [False]
    return [states[0].double().numpy() for states in hidden], np.array(mask)


@pytest.mark.parametrize(
    "cls", [stand_ins.VILAForCausalLM, stand_ins.Repository], ids=["remote", "repository"]
)
@pytest.mark.parametrize("aspect", ASPECTS)
def test_measure_finds_the_recipe_and_its_number_is_the_oracles(cls, aspect):
    model = cls(aspect)
    before = dict(model.config.to_dict())
    result = measure(model, model.tokenizer, PAIRS, progress=False)
    assert model.config.to_dict() == before
    passes = [own_pass(model, pair) for pair in PAIRS]
    after = [np.arange(len(mask)) > mask.nonzero()[0].max() for _states, mask in passes]
    vision, text = (
        [
            np.concatenate([states[k][m] for (states, _), m in zip(passes, chosen, strict=True)])
            for k in range(4)
        ]
        for chosen in ([mask for _states, mask in passes], after)
    )
    assert result.mir == pytest.approx(oracle.mir(vision, text), abs=1e-6)
    assert (result.protocol.template, len(result.protocol.template_sha256)) == ("chat_template", 64)


def test_each_tile_is_vision_and_the_newlines_between_are_not():
    model = stand_ins.VILAForCausalLM("dynamic")
    index = next(i for i, image in enumerate(IMAGES) if tiles_of(image) == 2)
    vision, text = masks(model, model.tokenizer, index)
    first = len(model.tokenizer("<|im_start|>user\n")["input_ids"])
    second = first + ROWS + 2  # the encoder's newline, and that of the prompt
    assert positions(vision) == [*range(first, first + ROWS), *range(second, second + ROWS)]
    assert positions(text) == list(range(second + ROWS, len(vision)))


@pytest.mark.parametrize("placeholder", ["<image>", "<vila/video>"])
def test_a_placeholder_in_a_text_is_text(placeholder):
    model = stand_ins.VILAForCausalLM("resize")

    def mir(text):
        return measure(model, model.tokenizer, [(IMAGES[0], text), PAIRS[0]], progress=False).mir

    assert mir(f"See {placeholder}.") == mir(f"See < {placeholder[1:]}.")


def test_vila_1_5_has_llavas_interface():
    tokenizer = byte_tokenizer()
    model = stand_ins.LlavaLlamaModel(tokenizer)
    adapter = adapter_for(model, tokenizer)
    assert adapter.decoder.layers is model.llm.model.layers
    vision, _text = masks(model, tokenizer)
    before = len(tokenizer("<|im_start|>system\nAnswer.<|im_end|><|im_start|>user\n")["input_ids"])
    assert positions(vision) == list(range(before, before + ROWS))
    assert measure(model, tokenizer, PAIRS, progress=False).protocol.template == "chat_template"
    model.llm.config.tokenizer_model_max_length = 100
    with pytest.raises(MIRModelError, match="reach the 100 positions at which the model's own code cuts"):
        measure(model, tokenizer, PAIRS, progress=False)
