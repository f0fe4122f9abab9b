"""How many layers at a time: the estimate, the choice, and that the choice changes nothing but the number of passes."""

import pytest
import torch

from mir_task import MIRDataError, measure
from mir_task.accumulate.statistics import ModalityStatistics
from mir_task.measurement.plan import Footprint, Plan, budget, check, layer_devices, plan
from tests.measurement.distributed import Pairs

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
GIB = 2**30
SEVEN_B = Footprint(d=4096, itemsize=2, groups=10, own_groups=10, max_text_tokens=1024)


def numbers(result):
    return result.model_dump(exclude={"timings"})


def planned(gib, layers=32, footprint=SEVEN_B):
    return plan(footprint, [CPU] * layers, {CPU: int(gib * GIB)})


def test_as_few_passes_as_memory_allows():
    # 32 layers of two modalities: 80 GiB with ten 128 MiB matrices each, 16 GiB with two.
    assert 80 < planned(0).needed / GIB < 90
    everything = planned(200)
    assert (everything.layers, everything.parts, everything.passes) == (32, 10, 1)
    assert everything.taken == everything.needed
    halves = planned(30)
    assert (halves.layers, halves.parts, halves.passes) == (32, 2, 2)  # the second one for the standard error
    assert planned(50).parts == 10 and planned(50).passes == 2  # two groups of layers
    less = planned(12)
    assert (less.layers, less.parts, less.passes) == (16, 2, 4)
    assert planned(1).layers == 1
    assert (planned(0.1).layers, planned(0.1).parts) == (1, 1)


@pytest.mark.parametrize("gib", [2, 5, 12, 30, 50, 100])
def test_what_is_taken_fits(gib):
    chosen = planned(gib)
    assert chosen.taken <= gib * GIB
    assert chosen.passes <= 32 * 2


def test_devices_are_planned_for_together():
    # Half of the layers on each of two devices: each needs half of the memory.
    devices = [GPU] * 16 + [CPU] * 16
    assert plan(SEVEN_B, devices, {GPU: 45 * GIB, CPU: 45 * GIB}).passes == 1
    assert plan(SEVEN_B, devices, {GPU: 45 * GIB, CPU: 12 * GIB}).passes == 2


def test_a_share_of_the_pairs_takes_a_share_of_the_groups():
    share = Footprint(d=4096, itemsize=2, groups=10, own_groups=3, max_text_tokens=1024)
    assert share.layer(10) < SEVEN_B.layer(10) / 2
    assert share.layer(2) == SEVEN_B.layer(2)


def test_a_batch_of_pairs_takes_memory_for_each():
    eight = Footprint(d=4096, itemsize=2, groups=10, own_groups=10, max_text_tokens=1024, batch_size=8)
    assert eight.layer(10) - SEVEN_B.layer(10) == 7 * 2048 * 4096 * 2


def test_a_ceiling_below_one_layer_is_refused():
    few = plan(SEVEN_B, [CPU] * 2, {CPU: GIB // 10})
    with pytest.raises(
        MIRDataError, match=r"max_memory is too low: .* single layer take 1\.\d+ GiB, 0.10 GiB on cpu"
    ):
        check(few, {CPU: GIB // 10}, GIB // 10)
    check(few, {CPU: GIB // 10}, None)  # half of what is free: memory may do


def test_budget_is_half_of_what_is_free(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "mir_task.measurement.plan.psutil.virtual_memory", lambda: type("", (), {"available": 40 * GIB})
    )
    monkeypatch.setattr("mir_task.measurement.plan.CGROUP", tmp_path)
    assert budget(CPU, None) == 20 * GIB
    assert budget(CPU, 30 * GIB) == 30 * GIB
    assert budget(CPU, 50 * GIB) == 40 * GIB
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert budget(CPU, None) == 5 * GIB
    (tmp_path / "memory.max").write_text(f"{10 * GIB}\n")
    (tmp_path / "memory.current").write_text(f"{2 * GIB}\n")
    assert budget(CPU, None) == GIB
    (tmp_path / "memory.max").write_text("max\n")
    assert budget(CPU, None) == 5 * GIB


@pytest.fixture(scope="module")
def whole(shared_llava, pairs):
    """All layers at once, by how many pairs share a forward pass."""
    return {size: measure(*shared_llava, pairs, progress=False, batch_size=size) for size in (1, 4)}


@pytest.mark.parametrize(
    ("layers", "passes", "batch_size"), [(1, 6, 1), (3, 2, 1), (4, 2, 1), (6, 1, 1), (4, 2, 4)]
)
def test_layers_in_groups_give_identical_numbers(
    llava, pairs, monkeypatch, whole, layers, passes, batch_size
):
    monkeypatch.setattr("mir_task.measurement.plan.plan", lambda *_: Plan(layers, 6, passes, 0, 0))
    shared = Pairs(pairs)
    grouped = measure(*llava, shared, progress=False, batch_size=batch_size)
    assert numbers(grouped) == numbers(whole[batch_size])
    assert shared.opened == list(range(6)) * passes


def test_a_ceiling_chooses_the_groups(llava, pairs, whole):
    footprint = Footprint(d=128, itemsize=4, groups=6, own_groups=6, max_text_tokens=1024)
    room = footprint.working(6) + 3 * footprint.layer(6)
    shared = Pairs(pairs)
    limited = measure(*llava, shared, progress=False, max_memory=room)
    assert len(shared.opened) == 12
    assert limited.mir == whole[1].mir


def test_the_estimate_bounds_what_statistics_hold(monkeypatch):
    d, groups = 64, 10
    statistics = ModalityStatistics(groups)
    footprint = Footprint(d=d, itemsize=4, groups=groups, own_groups=groups, max_text_tokens=0)
    largest = 0
    for number in range(40):
        rows = torch.randn(1000, d, generator=torch.Generator().manual_seed(number))
        statistics.update(rows, number * groups // 40)
        held = [value for name, value in statistics.state().items() if not name.startswith("norms")]
        largest = max(largest, sum(value.numel() * value.element_size() for value in held))
    assert largest < footprint.layer(groups) / 2 < 2 * largest


def test_statistics_live_where_the_layer_lives(llava):
    from mir_task.adapters import adapter_for

    decoder = adapter_for(*llava).decoder
    assert layer_devices(decoder) == [CPU] * 6
    # As accelerate leaves it: weights elsewhere, moved to where the layer runs.
    decoder.layers[2]._hf_hook = type("Hook", (), {"execution_device": 0})()
    decoder.norm._hf_hook = type(
        "Both", (), {"hooks": [type("Hook", (), {"execution_device": "cuda:1"})()]}
    )()
    try:
        assert layer_devices(decoder) == [CPU, CPU, GPU, CPU, CPU, torch.device("cuda", 1)]
    finally:
        del decoder.layers[2]._hf_hook, decoder.norm._hf_hook
