"""A model's own code is run to its first pass: without a cache, and with an error to be read where it fails."""

import sys
from contextlib import suppress

import pytest
import torch
from loguru import logger
from torch import nn
from transformers import LlamaForCausalLM

from mir_task import MIRModelError, measure
from mir_task.adapters import Pipeline
from mir_task.adapters.own_run import without_cache
from tests.adapters.examples import PAIRS
from tests.adapters.stand_ins import TOKENIZER, SplicingModel, Tower, llm_config, pixels

MODEL = SplicingModel()


def show(image, text, model=MODEL):
    ids = TOKENIZER(f"<image>{text}", add_special_tokens=True)["input_ids"]
    model(torch.tensor([[ids[0], -200, *ids[2:]]]), pixels(image))


def measured(run, model=MODEL):
    return measure(model, Pipeline(run, TOKENIZER), PAIRS, progress=False)


def failing(image, text):
    raise FileNotFoundError("no folder for pictures")


class Broken(nn.Module):
    """A layer of the decoder that old code calls as nobody does any more."""

    def forward(self, hidden_states, **kwargs):
        return super().no_such_function()


def broken_in_the_third_layer(image, text):
    layer, MODEL.model.layers[2] = MODEL.model.layers[2], Broken()
    try:
        show(image, text)
    finally:
        MODEL.model.layers[2] = layer


def answer_is_empty(image, text, ask=failing):
    """As XComposer's and VILA's classes do it."""
    try:
        answer = ask(image, text)
    except Exception as error:
        logger.error(f"Error: {error}")
        answer = ""
    return answer.strip()


def answer_is_not_set(image, text):
    """As MiniCPM-V's and CogVLM2's classes do it."""
    try:
        answer = failing(image, text)
    except Exception as error:
        logger.error(f"Error {error} in generating")
    return answer


def caught_deeper(image, text):
    return answer_is_empty(image, text)


def black_picture_then_nothing(image, text):
    """An error that is got over stands before the one that is not."""
    answer_is_empty(image, text, lambda image, text: int("seven"))
    return answer_is_empty(image, text)


@pytest.mark.parametrize(
    "run", [answer_is_empty, caught_deeper, black_picture_then_nothing, answer_is_not_set]
)
def test_an_error_that_was_caught_is_told_with_its_place(run):
    with pytest.raises(
        MIRModelError, match=r"pair pair 0: .* caught .*no folder for pictures.*test_own_run.py"
    ) as got:
        measured(run)
    chain = got.value.__cause__
    assert isinstance(chain.__cause__, FileNotFoundError)


def test_an_error_caught_between_two_layers_is_told():
    message = (
        r"it came to its end without one; the error that it caught itself: AttributeError\(.*no_such_function"
    )
    with pytest.raises(MIRModelError, match=message):
        measured(lambda image, text: answer_is_empty(image, text, broken_in_the_third_layer))


def test_code_that_does_nothing_is_told_from_code_that_fails():
    with pytest.raises(MIRModelError, match=r"it came to its end without one; it gave no error"):
        measured(lambda image, text: "")


def catches_everything(image, text):
    try:
        show(image, text)
    except:  # noqa: E722
        return ""


def got_over(image, text):
    answer_is_empty(image, text)
    show(image, text)


@pytest.mark.parametrize("run", [catches_everything, got_over])
def test_errors_that_do_not_keep_the_pass_from_its_end_are_of_no_concern(run):
    assert measured(run).mir == measured(show).mir


def test_a_debugger_at_work_is_left_alone():
    def debugger(frame, event, argument):
        return None

    before = sys.gettrace()
    sys.settrace(debugger)
    try:
        assert measured(show).mir
        assert sys.gettrace() is debugger
        with pytest.raises(MIRModelError, match="it gave no error"):
            measured(answer_is_empty)
    finally:
        sys.settrace(before)


def test_nothing_is_traced_afterwards():
    for run in (show, answer_is_empty):
        with suppress(MIRModelError):
            measured(run)
        assert sys.gettrace() is None
        assert not MODEL.model.norm._forward_hooks


# The cache


class OldModel(LlamaForCausalLM):
    """Reads past keys and values as tuples, as remote code does, and splices the picture in where there are none."""

    def __init__(self):
        torch.manual_seed(0)
        super().__init__(llm_config())
        self.vision_tower, self.picture = Tower(), None
        self.generation_config.use_cache = True
        self.eval()

    def forward(self, input_ids, past_key_values=None, cache=None, **kwargs):
        if past_key_values is not None or cache is not None:  # by the version of transformers
            raise AttributeError("'NoneType' object has no attribute 'size'")
        before, after = self.model.embed_tokens(input_ids).split([1, input_ids.shape[1] - 1], dim=1)
        rows = self.vision_tower(pixels(self.picture))[None]
        return super().forward(inputs_embeds=torch.cat([before, rows, after], dim=1), use_cache=False)

    def show(self, image, text):
        self.picture = image
        self.generate(torch.tensor([TOKENIZER(text)["input_ids"]]), max_new_tokens=1, pad_token_id=0)


def test_code_that_does_not_know_todays_caches_is_run_without_one():
    model = OldModel()
    assert measured(model.show, model).vision_tokens_per_pair == 4
    assert model.generation_config.use_cache is True


def test_the_setting_is_restored_after_a_failure_in_models_inside_too():
    model = nn.Module()
    model.llm, model.generation_config = OldModel(), None
    with pytest.raises(ZeroDivisionError), without_cache(model):
        assert model.llm.generation_config.use_cache is False
        1 / 0  # noqa: B018
    assert model.llm.generation_config.use_cache is True
