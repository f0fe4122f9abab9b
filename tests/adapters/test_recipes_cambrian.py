"""The recipe for Cambrian-1, against its repository's loop over decoder layers."""

import numpy as np
import pytest
import torch

from mir_task import MIRModelError, measure
from tests import oracle
from tests.adapters import stand_ins_cambrian as stand_ins
from tests.adapters.examples import PAIRS, TEXTS, masks, positions
from tests.adapters.stand_ins_llava import BEFORE, plain_tokenizer, prompt_ids
from tests.tiny.common import byte_tokenizer

TOKENIZER = plain_tokenizer()


def model_of(**config):
    model = stand_ins.CambrianLlamaForCausalLM(TOKENIZER, **config)
    model.config.image_position = BEFORE
    return model


def rows_of(pair):
    """Lines of the grid, each of two rows and a newline."""
    return 3 if pair.image.width > pair.image.height else 6


@pytest.mark.parametrize("connector_only", [False, True], ids=["samplers", "connector only"])
def test_measure_finds_the_recipe_and_its_number_is_the_oracles(connector_only):
    model = model_of(connector_only=connector_only)
    vision, text = [], []
    for pair in PAIRS:
        with torch.no_grad():
            prepared = model.prepare_inputs_labels_for_multimodal(
                prompt_ids(TOKENIZER, pair.text), None, None, None, None, stand_ins.pixels(pair.image, model),
                image_sizes=[pair.image.size],
            )  # fmt: skip
            states = model.with_samplers(prepared[4], *prepared[6:])
        after = BEFORE + rows_of(pair)
        vision.append([hidden[BEFORE:after].double().numpy() for hidden in states])
        text.append([hidden[after:].double().numpy() for hidden in states])
    by_layer = [[np.concatenate(layer) for layer in zip(*pairs, strict=True)] for pairs in (vision, text)]
    result = measure(model, TOKENIZER, PAIRS, progress=False)
    assert result.mir == pytest.approx(oracle.mir(*by_layer), abs=1e-6)
    assert result.protocol.template == "chat_template"


def test_the_samplers_change_the_number_and_leave_nothing_behind():
    with_samplers, without = (
        measure(model_of(connector_only=only), TOKENIZER, PAIRS, progress=False).mir for only in (False, True)
    )
    assert with_samplers != pytest.approx(without, abs=1e-3)
    model = model_of()
    before = set(vars(model))
    measure(model, TOKENIZER, PAIRS, progress=False)
    assert set(vars(model)) == before
    assert not any(layer._forward_hooks for layer in model.model.layers)


def test_rows_and_newlines_of_the_grid_are_vision():
    vision, text = masks(model_of(), TOKENIZER)
    assert positions(vision) == list(range(BEFORE, BEFORE + rows_of(PAIRS[0])))
    assert text.sum() == len(vision) - positions(vision)[-1] - 1


def test_the_header_that_the_template_puts_behind_an_answer_is_cut_off_as_in_training():
    tokenizer = byte_tokenizer(
        "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>", post=False
    )
    model = stand_ins.CambrianLlamaForCausalLM(tokenizer, connector_only=True)
    _vision, text = masks(model, tokenizer)
    rest = f"\n<|eot_id|><|start_header_id|>assistant<|end_header_id|>{TEXTS[0]}<|eot_id|>"
    assert text.sum() == len(tokenizer(rest)["input_ids"])


def test_an_image_elsewhere_than_the_connector_was_trained_for_is_refused():
    model = model_of()
    model.config.image_position += 2
    with pytest.raises(
        MIRModelError, match=rf"begins at position {BEFORE}, its connector works from position"
    ):
        measure(model, TOKENIZER, PAIRS, progress=False)
