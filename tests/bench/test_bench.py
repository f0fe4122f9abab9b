"""Other implementations of the distance, which the benchmarks time, as oracles of ours."""

import json

import numpy as np
import pytest

from mir_task.bench import ceiling, coverage, distance, profile, whole
from mir_task.bench.__main__ import main
from mir_task.bench.isolated import Measurement
from mir_task.bench.machine import describe
from mir_task.bench.peers import PEERS, ours, script_fast


@pytest.mark.parametrize("rank", ["full", "deficient"])
@pytest.mark.parametrize("peer", [name for name in PEERS if "fast" not in name])
def test_all_implementations_agree(peer, rank):
    inputs, truth = distance.statistics(40, rank)
    if peer == "mir-task, polar iteration" and rank == "deficient":
        assert np.isnan(PEERS[peer](inputs))
        return
    # The others lose half their digits on singular matrices, and the script works in float32.
    tolerance = 1e-10 if peer.startswith("mir-task") else 1e-3 if "script" in peer else 1e-6
    assert PEERS[peer](inputs) == pytest.approx(truth, rel=tolerance)


def test_the_released_scripts_default_is_no_root():
    inputs, truth = distance.statistics(40, "full")
    assert script_fast(inputs) != pytest.approx(truth, rel=0.01)
    # Well-conditioned, where its iteration is stable: tr(S_a S_b) in the place of the root's trace.
    mean, eye = np.zeros(5), np.eye(5)
    assert script_fast([mean, 3 * eye, mean, 2 * eye]) == pytest.approx(15 + 10 - 2 * 30)
    assert ours([mean, 3 * eye, mean, 2 * eye]) == pytest.approx(15 + 10 - 2 * 5 * 6**0.5)


def test_simulated_truth_is_where_many_pairs_lead(monkeypatch):
    few = coverage.estimate(0, 2.0)["mir"]
    monkeypatch.setattr(coverage, "PAIRS", 400)
    many = coverage.estimate(0, 2.0)["mir"]
    assert abs(many - coverage.truth(2.0)) < abs(few - coverage.truth(2.0))
    assert many == pytest.approx(coverage.truth(2.0), abs=0.01)


def test_a_measurement_in_a_process_of_its_own(monkeypatch):
    record = whole._record("mir-task", whole.ours, pairs=2, layers=1, d=64)
    assert record["seconds"] > 0 and record["extra_mib"] >= 0 and record["accelerator_extra_mib"] >= 0


def test_memory_falls_with_the_ceiling_as_estimated(monkeypatch):
    def here(prepare, run, *arguments):
        return Measurement(0.0, 0, 0, run(prepare(*arguments)))

    monkeypatch.setattr(ceiling, "measure", here)
    records = list(ceiling.run((2, 1), pairs=2, layers=2, d=64))
    assert [record["layers_at_a_time"] for record in records] == [2, 1]
    assert [record["passes"] for record in records] == [1, 2]
    assert records[0]["estimated_mib"] > 1.5 * records[1]["estimated_mib"]
    assert records[0]["mir"] == records[1]["mir"]


def test_profile_names_functions_that_exist(monkeypatch):
    monkeypatch.setattr(profile, "OVERHEAD", {"pairs": 5, "layers": 1, "d": 64})
    shares = {record["phase"]: record["share"] for record in profile.run()}
    assert shares.pop("whole") == 1
    assert all(0 < share < 1 for share in shares.values()) and 0.3 < sum(shares.values()) <= 1


def test_command_line_writes_what_it_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "mir_task.bench.__main__.BENCHMARKS", {"coverage": lambda _: coverage.run((2.0,), repeats=3)}
    )
    assert main(["coverage", "--output", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "coverage.json").read_text())
    assert written["machine"]["cores"] == describe()["cores"]
    assert written["records"][0]["repeats"] == 3
    with pytest.raises(SystemExit):
        main(["nothing"])
