"""Narrow layers are measured at the same time, which changes neither their numbers nor anything of the caller's."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from mir_task import measure
from mir_task.measurement import exchange, loop
from mir_task.measurement.plan import Footprint, Plan
from mir_task.measurement.side_by_side import MOST, NARROW, layers_at_once, side_by_side

CPU = torch.device("cpu")


@pytest.fixture
def cores():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_items_from_as_many_threads(cores):
    together = threading.Barrier(2, timeout=30)  # passes only if two items run at once

    def run(item):
        together.wait()
        return item, torch.get_num_threads(), threading.get_ident()

    found = list(side_by_side(run, range(6), threads=2))
    assert [item for item, *_ in found] == list(range(6))
    assert {used for _, used, _ in found} == {1}
    assert threading.get_ident() not in {thread for *_, thread in found}


def test_one_at_a_time_stays_in_the_calling_thread_on_all_cores(cores):
    run = lambda item: (torch.get_num_threads(), threading.get_ident())  # noqa: E731
    assert set(side_by_side(run, range(3), threads=1)) == {(cores, threading.get_ident())}


@pytest.mark.parametrize("fails", [False, True])
def test_cores_are_the_callers_again_also_in_threads_that_start_later(cores, fails):
    def run(item):
        if fails:
            raise ValueError(f"item {item}")

    if fails:
        with pytest.raises(ValueError, match="item 0"):
            list(side_by_side(run, range(4), threads=2))
    else:
        list(side_by_side(run, range(4), threads=2))
    assert torch.get_num_threads() == cores
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == cores


def test_tensors_of_inference_mode_may_be_changed_in_place():
    with torch.inference_mode():
        kept = [torch.zeros(2) for _ in range(3)]
        list(side_by_side(lambda each: each.add_(1), kept, threads=2))
    assert all(each.sum() == 2 for each in kept)


def test_wide_layers_and_those_on_a_device_have_all_of_it(cores):
    assert layers_at_once(NARROW, CPU) == min(cores, MOST)
    assert layers_at_once(NARROW + 1, CPU) == 1
    assert layers_at_once(64, torch.device("cuda", 0)) == 1


def test_the_plan_has_room_for_as_many_distances_as_are_computed_at_once(cores):
    footprint = Footprint(d=128, itemsize=4, groups=6, own_groups=6, max_text_tokens=1024)
    for layers, at_once in ((1, 1), (2, 2), (5, cores)):
        taken = footprint.on(CPU, [CPU] * layers, Plan(layers, scatters=6))
        assert taken == layers * footprint.layer(6) + at_once * footprint.working(6)


def test_a_measurement_has_the_numbers_of_one_layer_at_a_time(llava, ten_pairs, monkeypatch):
    used = []

    def watched(run, items, threads):
        used.append(threads)
        return side_by_side(run, items, threads)

    monkeypatch.setattr(exchange, "side_by_side", watched)
    monkeypatch.setattr(loop, "layers_at_once", lambda d, device: 3)
    together = measure(*llava, ten_pairs, progress=False)
    monkeypatch.setattr(loop, "layers_at_once", lambda d, device: 1)
    apart = measure(*llava, ten_pairs, progress=False)
    assert used == [3, 1]
    assert together.standard_error == pytest.approx(apart.standard_error, rel=1e-9)
    assert [layer.layer for layer in together.layers] == [layer.layer for layer in apart.layers]
    for one, other in zip(together.layers, apart.layers, strict=True):
        assert one.fid == pytest.approx(other.fid, rel=1e-11)
        assert one.noise_floor_text == pytest.approx(other.noise_floor_text, rel=1e-3)
