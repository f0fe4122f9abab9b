"""The benchmark for GPUs, on the CPU at a tiny size, and the counts of what its forward passes and the script do."""

import dataclasses
import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mir_task import measure
from mir_task.adapters import adapter_for
from mir_task.bench import accelerator, cost, methods
from mir_task.bench.__main__ import main
from mir_task.bench.isolated import Measurement
from mir_task.bench.layer import script_accurate, script_fast
from mir_task.bench.llava import Shape, exact_text, prepare
from mir_task.bench.work import CARDS, Work, product
from mir_task.metric.polar import nuclear_norm

TINY = Shape(layers=2, d=64, pairs=10, vision_tokens=16, text_tokens=40)
ATEN = torch.ops.aten


@pytest.fixture(scope="module")
def tiny():
    return prepare(TINY, "cpu", "float32")


@pytest.fixture
def in_this_process(monkeypatch, tiny):
    def measured(_prepare, run, *_arguments):
        return Measurement(seconds=100.0, extra_bytes=0, accelerator_bytes=0, value=run(tiny))

    monkeypatch.setattr(accelerator, "measure", measured)


def flops(run, custom=None):
    """Operations that torch counts, with formulas for operators that it has none for."""
    with torch.inference_mode(), FlopCounterMode(display=False, custom_mapping=custom) as counter:
        run()
    return counter.get_total_flops()


def test_default_shape_is_that_of_llava_7b():
    shape = Shape()
    assert (shape.intermediate, shape.heads, shape.vision_d, shape.vision_layers) == (11008, 32, 1024, 24)
    weights = cost.projections(shape).card_bytes / 2
    assert weights == pytest.approx(6.48e9, rel=0.001)  # Llama-2-7B's 6.74e9 without embeddings and LM head


def test_pairs_have_as_many_positions_as_asked_for(tiny):
    adapter = adapter_for(tiny.model, tiny.processor)
    for inputs in tiny.inputs:
        assert inputs["input_ids"].shape[1] == TINY.sequence
        assert int(adapter.vision_mask(inputs).sum()) == TINY.vision_tokens


@pytest.mark.parametrize(("name", "value"), [("vision_tokens", 15), ("d", 129)])
def test_a_shape_that_no_model_has_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{'hidden' if name == 'd' else name} must be .*, got {value}"):
        dataclasses.replace(TINY, **{name: value})


def test_operations_of_a_forward_pass_are_those_that_torch_counts(tiny):
    adapter = adapter_for(tiny.model, tiny.processor)
    tiny.model.set_attn_implementation("eager")  # torch has no formula for the CPU's fused attention
    try:
        counted = flops(lambda: adapter.prefill(tiny.inputs[0]))
    finally:
        tiny.model.set_attn_implementation("sdpa")
    # Eager attention also computes what causality throws away.
    work = cost.projections(TINY) + cost.attention(TINY) * 2 + cost.vision(TINY)
    assert work.flops["bfloat16"] == pytest.approx(
        counted, rel=1e-3
    )  # the angles of rotary embeddings come on top
    assert cost.forward(TINY).flops["bfloat16"] < TINY.pairs * counted


@pytest.mark.parametrize("mode", ["default", "accurate"])
def test_operations_of_the_released_script_are_those_that_torch_counts(mode):
    shape = dataclasses.replace(TINY, layers=1)
    generator = torch.Generator().manual_seed(0)
    rows = [
        tuple(
            torch.randn(count, shape.d, generator=generator)
            for count in (shape.vision_tokens, shape.text_tokens)
        )
        for _ in range(shape.pairs)
    ]
    inverse = {ATEN.linalg_inv_ex: lambda matrix, *_, **__: 2 * matrix[0] ** 3}
    counted = flops(lambda: (script_fast if mode == "default" else script_accurate)(rows), custom=inverse)
    work = methods.script_covariances(shape)
    if mode == "default":
        work += methods.script_default(shape)
    assert work.flops["float32"] == counted


def test_steps_of_the_polar_iteration_are_those_of_a_matrix_of_the_same_bound():
    d = 24
    matrix = torch.randn(d, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lowest = 1e-9
    accuracy = lowest * d * float(torch.linalg.matrix_norm(matrix))
    assert flops(lambda: nuclear_norm(matrix, accuracy)) == 6 * d**3 * cost.polar_steps(lowest, "float64")


def test_a_card_takes_as_long_as_what_takes_longest():
    card = CARDS["A100 SXM"]
    work = Work({"bfloat16": 312e12, "float64": 19.5e12}, card_bytes=1e12, link_bytes=16e9)
    assert card.seconds(work) == pytest.approx(2.0)
    assert card.seconds(work + Work(card_bytes=9e12)) == pytest.approx(5.0)
    assert card.seconds(work + Work(link_bytes=80e9)) == pytest.approx(3.0)
    assert card.seconds(product(1000, 2000, 3000, "float32") * 10) == pytest.approx(10 * 12e9 / 19.5e12)


def test_all_methods_run_on_the_cpu_and_agree_on_mir(in_this_process, tiny, monkeypatch):
    records = {record["method"]: record for record in accelerator.measured(TINY, "cpu", "float32")}
    assert set(accelerator.TIMED) == set(records)
    expected = measure(*tiny[:3], max_text_tokens=tiny.max_text_tokens, progress=False)
    for name in ("mir-task", "mir-task without uncertainty"):
        assert records[name]["mir"] == pytest.approx(expected.mir, rel=1e-12)
    assert records["mir-task"]["mir_se"] == expected.standard_error
    assert records["mir-task without uncertainty"]["mir_se"] is None
    # The script replaces outlier rows where `mir` removes them, and works in float32.
    assert records["released script, accurate"]["mir"] == pytest.approx(expected.mir, abs=0.02)
    assert records["released script, default"]["mir"] != pytest.approx(expected.mir, abs=0.02)
    assert all(record["over_bare"] == 1 for record in records.values())


def test_layers_that_were_not_timed_are_added_and_the_factor_is_said(in_this_process, monkeypatch):
    value = {"pairs_seconds": 40.0, "layers_seconds": 60.0, "layers_timed": 1}
    monkeypatch.setattr(accelerator, "TIMED", {"bare": lambda _: None, "released script": lambda _: value})
    bare, script = accelerator.measured(TINY, "cpu", "float32")
    assert (bare["layers_extrapolated_by"], bare["seconds"]) == (1, 100)
    assert (script["layers_extrapolated_by"], script["seconds_measured"], script["seconds"]) == (2, 100, 160)
    assert script["over_bare"] == pytest.approx(1.6)


def test_the_script_is_left_out_where_the_host_cannot_keep_all_hidden_states(in_this_process, monkeypatch):
    monkeypatch.setattr(accelerator, "host_memory", lambda: 3 * 560 * 64 * 4)
    records = list(accelerator.measured(TINY, "cpu", "float32"))
    left_out = [record["method"] for record in records if "left_out" in record]
    assert left_out == ["released script, default", "released script, accurate"]
    assert all("seconds" not in record for record in records if "left_out" in record)


def test_a_text_that_cannot_be_as_short_as_asked_for_is_refused(tiny):
    adapter = adapter_for(tiny.model, tiny.processor)
    with pytest.raises(ValueError, match="no cut of a text has 1 positions"):
        exact_text(adapter, "Some words.", dataclasses.replace(TINY, text_tokens=1))


def test_without_a_device_the_command_counts_and_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["accelerator", "--layers", "4", "--hidden", "128", "--output", str(tmp_path)]) == 0
    records = json.loads((tmp_path / "accelerator.json").read_text())["records"]
    assert {record["what"] for record in records} == {"computed, not measured"}
    assert {(record["layers"], record["d"]) for record in records} == {(4, 128)}
    assert "computed, not measured" in capsys.readouterr().out


def test_the_command_refuses_a_shape_that_no_model_has(capsys):
    with pytest.raises(SystemExit):
        main(["accelerator", "--vision_tokens", "15"])
    assert "vision_tokens must be a square number, got 15" in capsys.readouterr().err


def test_a_whole_is_the_sum_of_its_steps():
    records = list(accelerator.counted(TINY))
    for method, steps in methods.METHODS.items():
        own = [record for record in records if record["method"] == method]
        if len(steps) > 1:
            *parts, whole = own
            for column in ("card_gb", "link_gb", "host_tflop"):
                assert whole[column] == pytest.approx(sum(part[column] for part in parts))
            if not whole["host_tflop"]:
                assert whole["H100 SXM, least s"] == pytest.approx(
                    sum(part["H100 SXM, least s"] for part in parts)
                )


def test_what_the_host_computes_has_no_bound():
    records = list(accelerator.counted(TINY))
    unbounded = {(each["method"], each["step"]) for each in records if each["A100 SXM, least s"] is None}
    script = "released script, accurate"
    assert unbounded == {(script, "root on the host"), (script, "all steps, one after the other")}
