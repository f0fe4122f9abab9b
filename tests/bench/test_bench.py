"""The benchmarks, and the other implementations of the distance that they time as oracles of ours."""

import json

import numpy as np
import pytest

from mir_task.bench import ceiling, companions, coverage, distance, profile, whole
from mir_task.bench.__main__ import BENCHMARKS, main
from mir_task.bench.isolated import Measurement
from mir_task.bench.machine import describe
from mir_task.bench.peers import PEERS, ours, script_fast

POLAR, FAST = "mir-task, polar iteration", "released script, fast"


def tolerance(peer):
    """Others lose half their digits on singular matrices, and the script works in float32."""
    if peer.startswith("mir-task"):
        return 1e-10
    return 1e-3 if "script" in peer else 1e-6


@pytest.mark.parametrize("peer", sorted(PEERS.keys() - {FAST}))
def test_all_implementations_agree_on_covariances_of_full_rank(peer):
    inputs, truth = distance.statistics(40, "full")
    assert PEERS[peer](inputs) == pytest.approx(truth, rel=tolerance(peer))


@pytest.mark.parametrize("peer", sorted(PEERS.keys() - {FAST, POLAR}))
def test_all_implementations_but_one_agree_on_singular_covariances(peer):
    inputs, truth = distance.statistics(40, "deficient")
    assert PEERS[peer](inputs) == pytest.approx(truth, rel=tolerance(peer))


def test_the_polar_iteration_leaves_singular_covariances_to_others():
    inputs, _ = distance.statistics(40, "deficient")
    assert np.isnan(PEERS[POLAR](inputs))


def test_the_released_scripts_default_is_no_root():
    inputs, truth = distance.statistics(40, "full")
    assert script_fast(inputs) != pytest.approx(truth, rel=0.01)


def test_where_its_iteration_is_stable_the_scripts_default_takes_the_products_trace_for_the_roots():
    mean, eye = np.zeros(5), np.eye(5)
    assert script_fast([mean, 3 * eye, mean, 2 * eye]) == pytest.approx(15 + 10 - 2 * 30)
    assert ours([mean, 3 * eye, mean, 2 * eye]) == pytest.approx(15 + 10 - 2 * 5 * 6**0.5)


def test_simulated_truth_is_where_many_pairs_lead(monkeypatch):
    truth = coverage.truth(2.0)
    few = coverage.estimate(0, 2.0)["mir"]
    monkeypatch.setattr(coverage, "PAIRS", 400)
    many = coverage.estimate(0, 2.0)["mir"]
    assert abs(many - truth) < abs(few - truth)
    assert many == pytest.approx(truth, abs=0.01)


def test_a_measurement_in_a_process_of_its_own_takes_time_and_memory():
    record = whole._record("mir-task", whole.ours, pairs=2, layers=1, d=64)
    assert record["seconds"] > 0
    assert record["extra_mib"] > 0


def test_a_lower_ceiling_takes_less_memory_and_another_pass_for_the_same_mir(monkeypatch):
    def in_this_process(prepare, run, *arguments):
        value = run(prepare(*arguments))
        return Measurement(seconds=0.0, extra_bytes=0, accelerator_bytes=0, value=value)

    monkeypatch.setattr(ceiling, "measure", in_this_process)
    high, low = ceiling.run((2, 1), pairs=2, layers=2, d=64)
    assert (high["layers_at_a_time"], high["passes"]) == (2, 1)
    assert (low["layers_at_a_time"], low["passes"]) == (1, 2)
    assert high["estimated_mib"] > 1.5 * low["estimated_mib"]
    assert high["mir"] == low["mir"]


def test_profile_names_functions_that_exist(monkeypatch):
    monkeypatch.setattr(profile, "OVERHEAD", {"pairs": 5, "layers": 1, "d": 64})
    shares = {record["phase"]: record["share"] for record in profile.run()}
    assert shares.pop("whole") == 1
    assert all(0 < share < 1 for share in shares.values())
    assert 0.3 < sum(shares.values()) <= 1


def test_command_line_writes_what_it_measured(tmp_path, monkeypatch):
    monkeypatch.setitem(BENCHMARKS, "coverage", lambda _: coverage.run((2.0,), repeats=3))
    assert main(["coverage", "--output", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "coverage.json").read_text())
    assert written["machine"]["cores"] == describe()["cores"]
    assert written["records"][0]["repeats"] == 3


def test_command_line_names_the_benchmarks_that_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["nothing"])
    assert "unknown benchmark nothing; there are distance, layer" in capsys.readouterr().err


def test_the_companions_cost_is_counted_with_and_without_them(monkeypatch):
    monkeypatch.setattr(companions, "SIZES", ((3, 1, 64),))
    added = []
    measured = companions.layer_by_layer
    monkeypatch.setattr(
        companions,
        "layer_by_layer",
        lambda inputs: added.append(companions.layers.reasons) or measured(inputs),
    )
    (record,) = companions.run(repeats=1)
    assert len({id(function) for function in added}) == 3  # as they are, left out, counted
    assert 0 < record["cpu_seconds_inside"] < record["cpu_seconds_with"]
    assert record["share_inside"] == record["cpu_seconds_inside"] / record["cpu_seconds_with"]
