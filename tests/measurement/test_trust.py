"""Reasons not to trust the MIR of a model, whose connector or template is damaged in known ways."""

import copy
from dataclasses import replace

import pytest
import torch
from loguru import logger

from mir_task import measure
from mir_task.adapters import adapter_for
from mir_task.adapters.prefill import PreparedPair, prefill
from mir_task.data import builtin_pairs
from mir_task.measurement.run import measure_with
from tests.measurement.watched import LITTLE_ROOM, QUIET


@pytest.fixture(scope="module")
def twenty():
    return list(builtin_pairs(count=20))


@pytest.fixture
def damaged(demo_llava):
    """Lets a function change what the demo's connector gives; the model is whole again afterwards."""
    model, processor = demo_llava
    handles = []

    def damage(change):
        connector = model.model.multi_modal_projector
        handles.append(connector.register_forward_hook(lambda _module, _args, given: change(given)))
        return model, processor

    yield damage
    for handle in handles:
        handle.remove()


def a_thousandth_of_the_picture():
    """What the connector gave first, with a thousandth of what it gives now: nearly the same whatever the picture."""
    first = []

    def change(given):
        first.append(given.detach().clone())
        return first[0] + 1e-3 * (given - first[0])

    return change


def a_constant_row():
    """The same with one row at all places."""
    first = []

    def change(given):
        first.append(given.detach().mean(dim=tuple(range(given.ndim - 1)), keepdim=True))
        return first[0] + 1e-3 * (given - first[0])

    return change


def codes(result):
    return [reason.code for reason in result.trust]


def test_the_demo_gives_no_reason(demo_result, demo_llava, twenty):
    assert codes(demo_result) == []
    assert codes(measure(*demo_llava, twenty, progress=False)) == []


@pytest.mark.parametrize("tower", [a_thousandth_of_the_picture, a_constant_row])
def test_a_tower_that_sees_next_to_nothing_is_told(damaged, twenty, tower):
    result = measure(*damaged(tower()), twenty, progress=False)
    assert codes(result) == ["image_share"] and result.image_share < 1e-4


def test_a_connector_of_50_times_the_output_is_told(damaged, twenty):
    assert codes(measure(*damaged(lambda given: 50 * given), twenty, progress=False)) == ["norms"]


def test_a_model_without_chat_template_is_told(demo_llava, twenty):
    bare = copy.deepcopy(demo_llava[1])
    bare.chat_template = bare.tokenizer.chat_template = None
    assert codes(measure(demo_llava[0], bare, twenty, progress=False)) == ["template"]


def test_reasons_are_in_the_log_with_the_models_name(damaged, twenty):
    told = []
    sink = logger.add(told.append, level="WARNING", format="{message}")
    result = measure(*damaged(lambda given: 50 * given), twenty[:6], progress=False)
    logger.remove(sink)
    (norms,) = (reason for reason in result.trust if reason.code == "norms")
    assert f"MIR of {result.model.name}, norms: {norms.sentence}" in [line.rstrip() for line in told]


@pytest.mark.parametrize("passes", [1, 2])
def test_the_image_share_is_that_of_the_models_own_rows(demo_llava, twenty, passes):
    settings = QUIET if passes == 1 else replace(QUIET, buffers=LITTLE_ROOM)
    model, processor = demo_llava
    adapter = adapter_for(model, processor)
    inputs = [adapter.prepare(pair.image, pair.text, 1024) for pair in twenty[:6]]
    with torch.inference_mode():
        pairs = prefill(adapter, [PreparedPair(str(i), each) for i, each in enumerate(inputs)], check=False)
    result = measure_with(settings, model, processor, twenty[:6])
    assert max(layer.passes for layer in result.layers) == passes
    for layer in result.layers:
        rows = [pair.vision[layer.layer].double() for pair in pairs]
        kept = []
        for own in rows:
            norms = own.norm(dim=1)
            kept.append(own[(norms - norms.median()).abs() <= 3 * norms.std()])
        everything = torch.cat(kept)
        total = (everything - everything.mean(0)).square().sum()
        between = sum(len(own) * (own.mean(0) - everything.mean(0)).square().sum() for own in kept)
        assert layer.image_share == pytest.approx(float(between / total), rel=1e-6)
