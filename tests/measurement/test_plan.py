"""How many layers at a time: the estimate, the choice, and that the choice changes nothing but the number of passes."""

import math
from types import SimpleNamespace

import psutil
import pytest
import torch
from loguru import logger

from mir_task import MIRDataError, measure
from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.statistics import FirstPass
from mir_task.accumulate.triangle import Triangle
from mir_task.adapters import adapter_for
from mir_task.measurement.devices import budget, layer_devices
from mir_task.measurement.plan import Footprint, Plan, announce, fewest_passes
from mir_task.measurement.run import measure_with
from mir_task.measurement.settings import MeasurementSettings
from tests.measurement.watched import WatchedPairs, numbers

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
GIB = 2**30
SEVEN_B = Footprint(d=4096, itemsize=2, groups=10, own_groups=10, max_text_tokens=1024)


def estimated(gib, layers=32):
    return fewest_passes(SEVEN_B, [CPU] * layers, {CPU: int(gib * GIB)})


def test_what_all_layers_of_a_7b_model_take():
    # 32 layers of two modalities: ten triangles of 33 MiB each and one of 66, 24.75 GiB; rows that wait, 4.3.
    triangles = 2 * 32 * Triangle.size(4096) * (10 * 4 + 8)
    assert triangles <= 25 * GIB
    assert triangles + 5 * GIB < estimated(0).needed < triangles + 6 * GIB


@pytest.mark.parametrize("groups_in", [torch.float32, torch.float64])
def test_groups_of_narrow_layers_are_kept_in_float64(groups_in):
    d = 1024 if groups_in == torch.float64 else 1025
    two, ten = (
        Footprint(d, 2, groups=10, own_groups=10, max_text_tokens=0).layer(count) for count in (2, 10)
    )
    assert ten - two == 2 * 8 * Triangle.size(d) * groups_in.itemsize


def test_an_80_gb_card_that_holds_a_7b_model_takes_one_pass():
    # In half of what the weights leave free.
    estimate = fewest_passes(SEVEN_B, [GPU] * 32, {GPU: int((80e9 - 14e9) / 2)})
    assert (estimate.plan, estimate.passes) == (Plan(layers=32, scatters=10), 1)


ROOM = {
    "for everything": (200, Plan(layers=32, scatters=10), 1),
    "for half of the layers": (20, Plan(layers=16, scatters=10), 2),
    "for all layers in two halves of the pairs": (
        14,
        Plan(layers=32, scatters=2),
        2,
    ),  # once more for the error
    "for half of the layers in two halves of the pairs": (8, Plan(layers=16, scatters=2), 4),
    "for less than one layer": (0.1, Plan(layers=1, scatters=1), 64),
}


@pytest.mark.parametrize("room", ROOM)
def test_as_few_passes_as_memory_allows(room):
    gib, plan, passes = ROOM[room]
    estimate = estimated(gib)
    assert (estimate.plan, estimate.passes) == (plan, passes)
    assert (estimate.taken == estimate.needed) == (room == "for everything")


@pytest.mark.parametrize("gib", [2, 5, 12, 30, 50, 100])
def test_what_is_taken_fits(gib):
    estimate = estimated(gib)
    assert estimate.taken <= gib * GIB
    assert estimate.passes <= 32 * 2


def test_devices_are_planned_for_together():
    # Half of the layers on each of two devices: each needs half of the memory.
    devices = [GPU] * 16 + [CPU] * 16
    assert fewest_passes(SEVEN_B, devices, {GPU: 16 * GIB, CPU: 16 * GIB}).passes == 1
    assert fewest_passes(SEVEN_B, devices, {GPU: 16 * GIB, CPU: 9 * GIB}).passes == 2


def test_a_share_of_the_pairs_takes_a_share_of_the_groups():
    share = Footprint(d=4096, itemsize=2, groups=10, own_groups=3, max_text_tokens=1024)
    assert SEVEN_B.layer(10) - share.layer(10) == 2 * 7 * Triangle.size(4096) * 4
    assert share.layer(2) == SEVEN_B.layer(2)


def test_a_batch_of_pairs_takes_memory_for_each():
    eight = Footprint(d=4096, itemsize=2, groups=10, own_groups=10, max_text_tokens=1024, batch_size=8)
    assert eight.layer(10) - SEVEN_B.layer(10) == 7 * 2048 * 4096 * 2


def test_a_ceiling_below_one_layer_is_refused():
    few = fewest_passes(SEVEN_B, [CPU] * 2, {CPU: GIB // 10})
    with pytest.raises(
        MIRDataError, match=r"max_memory is too low: .* single layer take 1\.\d+ GiB, 0.10 GiB on cpu"
    ):
        announce(few, {CPU: GIB // 10}, GIB // 10)
    announce(few, {CPU: GIB // 10}, None)  # half of what is free: memory may do


@pytest.mark.parametrize(("groups", "said"), [(10, True), (2, True), (1, False)])
def test_missing_noise_floors_are_told_only_where_they_were_asked_for(groups, said):
    told = []
    sink = logger.add(told.append, level="WARNING", format="{message}")
    footprint = Footprint(d=4096, itemsize=2, groups=groups, own_groups=groups, max_text_tokens=1024)
    announce(fewest_passes(footprint, [CPU] * 2, {CPU: GIB // 10}), {CPU: GIB // 10}, None)
    logger.remove(sink)
    assert any("No noise floors" in line for line in told) == said


def test_budget_is_half_of_what_is_free(monkeypatch, tmp_path):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=40 * GIB))

    def gib(ceiling=None):
        return budget(CPU, ceiling, cgroup=tmp_path) / GIB

    assert gib() == 20
    assert gib(ceiling=30 * GIB) == 30
    assert gib(ceiling=50 * GIB) == 40
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert gib() == 5
    (tmp_path / "memory.max").write_text(f"{10 * GIB}\n")
    (tmp_path / "memory.current").write_text(f"{2 * GIB}\n")
    assert gib() == 1
    (tmp_path / "memory.max").write_text("max\n")
    assert gib() == 5


@pytest.fixture(scope="module")
def whole(shared_llava, pairs):
    """All layers at once, by how many pairs share a forward pass."""
    return {size: measure(*shared_llava, pairs, progress=False, batch_size=size) for size in (1, 4)}


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("layers", [1, 3, 4, 6])
def test_layers_in_groups_give_identical_numbers(llava, pairs, whole, layers, batch_size):
    settings = MeasurementSettings(plan=Plan(layers, scatters=6), batch_size=batch_size, progress=False)
    watched = WatchedPairs(pairs)
    assert numbers(measure_with(settings, *llava, watched)) == numbers(whole[batch_size])
    assert watched.opened == list(range(6)) * math.ceil(6 / layers)


def test_a_ceiling_chooses_the_groups(llava, pairs, whole):
    footprint = Footprint(d=128, itemsize=4, groups=6, own_groups=6, max_text_tokens=1024)
    cpu = torch.device("cpu")
    room = footprint.on(cpu, [cpu] * 3, Plan(3, scatters=6))
    watched = WatchedPairs(pairs)
    limited = measure(*llava, watched, progress=False, max_memory=room)
    assert len(watched.opened) == 12
    assert limited.mir == whole[1].mir


@pytest.mark.parametrize("buffers", [BufferSizes(), BufferSizes(waiting_rows=500, sample_bytes=0)])
def test_the_estimate_bounds_what_statistics_hold(buffers):
    d, groups = 64, 10
    first = FirstPass(groups, buffers=buffers)
    footprint = Footprint(
        d=d, itemsize=4, groups=groups, own_groups=groups, max_text_tokens=0, buffers=buffers
    )
    largest = 0
    for number in range(40):
        rows = torch.randn(1000, d, generator=torch.Generator().manual_seed(number))
        first.update(rows, number * groups // 40)
        held = [value for name, value in first.state().items() if ".norms." not in name]
        largest = max(largest, sum(value.numel() * value.element_size() for value in held))
    captured = footprint.batch_size * 1024 * d * 4
    assert largest < (footprint.layer(groups) - captured) / 2 < 1.2 * largest


def test_statistics_live_where_the_layer_lives(llava):
    decoder = adapter_for(*llava).decoder
    assert layer_devices(decoder) == [CPU] * 6
    # As accelerate leaves it: weights elsewhere, moved to where the layer runs.
    decoder.layers[2]._hf_hook = SimpleNamespace(execution_device=0)
    decoder.norm._hf_hook = SimpleNamespace(hooks=[SimpleNamespace(execution_device="cuda:1")])
    try:
        assert layer_devices(decoder) == [CPU, CPU, GPU, CPU, CPU, torch.device("cuda", 1)]
    finally:
        del decoder.layers[2]._hf_hook, decoder.norm._hf_hook
