"""MiniCPM-V's remote code: by tokenizer, by processor, through lmms-eval's class; 2.0 by a recipe."""

import numpy as np
import pytest
import torch
import transformers
from lmms_eval.api.model import lmms
from lmms_eval.models.simple.minicpm_v import MiniCPM_V

from mir_task import MIRDataError, MIRModelError, measure
from mir_task.lmms.backend import model_and_processor
from tests import oracle
from tests.adapters.examples import IMAGES, PAIRS
from tests.adapters.stand_ins import ROWS
from tests.adapters.stand_ins_minicpm import MiniCPMV, MiniCPMV2, MiniCPMVProcessor, minicpm_tokenizer

TOKENIZER = minicpm_tokenizer()
PROCESSOR = MiniCPMVProcessor(TOKENIZER)


def own_number(model):
    """MIR in float64 from what the model was shown, where it says itself that vision is."""
    vision, text = [], []
    # After the first pair, measure looks three times more whether the picture reaches the model.
    for embeds, ids, bounds in [model.shown[0], *model.shown[4:]]:
        with torch.inference_mode():
            hidden = model.llm.model(inputs_embeds=embeds, output_hidden_states=True).hidden_states[1:]
        is_vision = torch.zeros(len(ids), dtype=torch.bool)
        for first, last in bounds.tolist():
            is_vision[first:last] = True
        vision.append([layer[0, is_vision].double().numpy() for layer in hidden])
        text.append([layer[0, bounds.max() :].double().numpy() for layer in hidden])
    by_layer = [[np.concatenate(layer) for layer in zip(*pairs, strict=True)] for pairs in (vision, text)]
    return oracle.mir(*by_layer)


def shown_text(model):
    """What follows the last row of the image, of the last pair that was shown."""
    _, ids, bounds = model.shown[-1]
    return TOKENIZER.decode(ids[bounds.max() :])


def through_lmms_eval(model):
    """An object of lmms-eval's class without its constructor, which loads from the hub."""
    lm = MiniCPM_V.__new__(MiniCPM_V)
    lmms.__init__(lm)
    lm._model, lm._tokenizer, lm._device, lm.batch_size_per_gpu = model, TOKENIZER, "cpu", 1
    return model_and_processor(lm)


@pytest.fixture
def hub(monkeypatch):
    """Paths that were loaded from a hub that holds the processor."""
    paths = []

    def from_pretrained(path, trust_remote_code):
        assert trust_remote_code
        paths.append(path)
        return PROCESSOR

    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", from_pretrained)
    return paths


@pytest.mark.parametrize("call", ["tokenizer", "processor", "lmms-eval"])
def test_each_call_gives_the_models_own_number(call, hub):
    model = MiniCPMV()
    given = {"tokenizer": TOKENIZER, "processor": PROCESSOR, "lmms-eval": through_lmms_eval(model)[1]}[call]
    result = measure(model, given, PAIRS, progress=False)
    assert result.mir == pytest.approx(own_number(model), abs=1e-6)
    assert (result.model.adapter, result.protocol.template) == ("MiniCPM-V", "chat_template")
    assert result.vision_tokens_per_pair == 2 * ROWS  # of four images two have halves
    # By its name, once for all pairs, and only where none was given.
    assert hub == ([] if call == "processor" else ["openbmb/MiniCPM-V-2_6"])


def test_the_text_is_the_assistants_turn():
    model = MiniCPMV()
    measure(model, PROCESSOR, PAIRS, progress=False)
    assert shown_text(model) == (
        "</image></slice>\n<|im_end|>\n<|im_start|>assistant\n"
        f"{PAIRS[-1].text}<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_text_that_chat_would_cut_is_shown_whole():
    model = MiniCPMV()
    long = " ".join(["as long as it takes"] * 20)
    measure(model, PROCESSOR, [(IMAGES[0], long), (IMAGES[1], long)], progress=False)
    assert long in shown_text(model)


def test_a_sequence_longer_than_the_context_is_refused():
    with pytest.raises(MIRDataError, match=r"take \d{4} tokens, the model's context is 2048; lower max_text"):
        measure(
            MiniCPMV(), PROCESSOR, [(IMAGES[0], "x" * 2100), PAIRS[1]], max_text_tokens=3000, progress=False
        )


def test_a_placeholder_that_the_familys_code_takes_for_padding_is_named():
    processor = MiniCPMVProcessor(TOKENIZER, padding=TOKENIZER.unk_token_id)
    with pytest.raises(
        MIRModelError, match=r"no token's enter the decoder at \d+-\d+ .* hides .* placeholder"
    ) as told:
        measure(MiniCPMV(), processor, PAIRS, progress=False)
    assert "cross-attention" not in str(told.value)


def test_a_tokenizer_whose_processor_cannot_be_loaded_is_told(monkeypatch):
    def absent(path, **_):
        raise OSError("no such repository")

    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", absent)
    with pytest.raises(MIRModelError, match=r"MiniCPM-V-2_6' \(no such repository\); give .* AutoProcessor"):
        measure(MiniCPMV(), TOKENIZER, PAIRS, progress=False)


# 2.0


@pytest.mark.parametrize("slice_mode", [True, False])
@pytest.mark.parametrize("call", ["tokenizer", "lmms-eval"])
def test_2_0_is_shown_pairs_without_its_chat(call, slice_mode):
    model = MiniCPMV2(slice_mode)
    given = TOKENIZER if call == "tokenizer" else through_lmms_eval(model)[1]
    result = measure(model, given, PAIRS, progress=False)
    assert result.mir == pytest.approx(own_number(model), abs=1e-6)
    assert (result.protocol.template, len(result.protocol.template_sha256)) == ("chat_template", 64)
    assert result.vision_tokens_per_pair == (2 * ROWS if slice_mode else ROWS)
    assert shown_text(model).removeprefix("</image>").removeprefix("</slice>") == f"\n<AI>{PAIRS[-1].text}"
    _, ids, _ = model.shown[-1]
    assert TOKENIZER.decode(ids).startswith("<s><用户><image>")


def test_rows_of_2_0_scaled_in_bfloat16_are_told_from_text():
    model = MiniCPMV2().to(torch.bfloat16)
    assert measure(model, TOKENIZER, PAIRS, progress=False).vision_tokens_per_pair == 2 * ROWS


def test_a_tokenizer_that_adds_no_bos_token_gets_one_for_2_0():
    model, tokenizer = MiniCPMV2(), minicpm_tokenizer()
    tokenizer.backend_tokenizer.post_processor = None
    measure(model, tokenizer, PAIRS, progress=False)
    _, ids, _ = model.shown[0]
    assert TOKENIZER.decode(ids[:2]) == "<s><用户>"


def test_2_0s_image_tags_in_a_text_are_text():
    model = MiniCPMV2()
    measure(model, TOKENIZER, [PAIRS[0], (IMAGES[1], "a </image> b")], progress=False)
    assert shown_text(model).endswith("\n<AI>a < /image> b")
