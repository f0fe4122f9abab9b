"""Ranks, ties, and the numbers beside MIR."""

import dataclasses
import math
import re
import shutil

import pytest

from mir_task.metrics import MIR_METRICS
from mir_task.report import checkpoint, compare

pytestmark = pytest.mark.usefixtures("undrawn")


def test_differences_within_the_errors_are_ties(workshop):
    # Neighbours are 2.12 standard errors of their difference apart, and the next but one 4.24: of Student's t of the
    # ten groups of pairs, 96.8% lies below 2.12.
    workshop.five_results(step=0.15)
    said = workshop.report(workshop.results)
    assert said.startswith("Choose run-e, which has the lowest MIR (P 97% that it truly is)")
    first = workshop.leaderboard[0]
    assert (first["rank"], first["rank_at_worst"]) == ("1", "2")
    assert "1–2" in workshop.page  # noqa: RUF001


def test_models_on_the_same_pairs_are_told_apart_by_less(workshop):
    left_out = [0.1, -0.1] * 5
    for name, shift in (("a", 0.0), ("b", 0.01)):
        noise = [value + shift + 1e-4 * i * (shift > 0) for i, value in enumerate(left_out)]
        shared = {"mir_left_out": noise, "standard_error": 0.3, "groups": 10}
        workshop.result(name, 2 + shift, **shared)
    workshop.report(workshop.results)
    assert workshop.column("rank_at_worst") == ["1", "2"]


# MIR per layer


def test_mir_per_layer_of_a_per_layer_file_is_in_every_leaderboard(workshop):
    workshop.result("m", 2.5)  # of 32 layers
    workshop.report(workshop.results)
    expected = 2.5 - math.log10(32)
    assert [float(number) for number in workshop.column("mir_per_layer")] == pytest.approx([expected])
    assert f'<td class="num" data-order="{expected}">0.995</td>' in workshop.page
    assert ">MIR per layer</th>" in workshop.page
    header, _, row = re.findall(r"(?m)^\|.*\|$", workshop.markdown)[:3]
    assert dict(zip(header.split(" | "), row.split(" | "), strict=True))["MIR per layer"] == "0.995"


def test_mir_per_layer_is_read_from_lmms_evals_own_results(workshop):
    workshop.lmms_results("m", {"mir_builtin": {"mir": 2.5, "mir_per_layer": 1.25, "mir_pairs": 100}})
    workshop.report(workshop.results)
    assert workshop.column("mir_per_layer") == ["1.25"]


def test_mir_per_layer_is_read_from_a_table_and_is_no_benchmark(workshop, falling):
    workshop.report(workshop.table(falling(4, mir_per_layer=[1.5, 1.4, 1.3, 1.2])))
    assert workshop.column("mir_per_layer") == ["1.2", "1.3", "1.4", "1.5"]
    assert workshop.regression.groups[0].over == ["gqa"]


def test_mir_per_layer_is_the_mean_over_seeds_as_mir_is(workshop):
    for seed, mir in enumerate((2.0, 2.2)):
        workshop.result("m", mir, f"seed{seed}", {"seed": seed, "pair_ids": [str(seed)]})
    workshop.report(workshop.results)
    assert [float(number) for number in workshop.column("mir_per_layer")] == pytest.approx(
        [2.1 - math.log10(32)]
    )


def test_mir_per_layer_of_some_seeds_only_is_left_out(workshop):
    workshop.result("m", 2.0)
    workshop.lmms_results("m", {"mir_builtin": {"mir": 2.2, "mir_pairs": 100}})
    workshop.report(workshop.results)
    assert workshop.column("runs") == ["2"]
    assert "mir_per_layer" not in workshop.leaderboard[0]


def test_models_that_lack_mir_per_layer_have_an_empty_cell(workshop):
    workshop.lmms_results("new", {"mir_builtin": {"mir": 2.5, "mir_per_layer": 1.0}})
    workshop.lmms_results("old", {"mir_builtin": {"mir": 2.0}})
    workshop.report(workshop.results)
    assert workshop.column("model") == ["old", "new"]
    assert workshop.column("mir_per_layer") == ["", "1.0"]


def test_where_no_model_has_mir_per_layer_there_is_no_column(workshop, falling):
    workshop.report(workshop.table(falling(4)))
    assert "mir_per_layer" not in workshop.leaderboard[0]
    assert "per layer" not in workshop.page and "per layer" not in workshop.markdown


def test_a_heading_in_the_table_of_metrics_is_all_that_a_column_takes(workshop, monkeypatch):
    reference = next(metric for metric in MIR_METRICS if metric.name == "mir_reference")
    for module in (checkpoint, compare):
        monkeypatch.setattr(module, "COLUMNS", [dataclasses.replace(reference, column="By the script")])
    workshop.result("m", 2.5, mir_reference=2.75)
    workshop.report(workshop.results)
    assert workshop.column("mir_reference") == ["2.75"]
    assert ">By the script</th>" in workshop.page and "| By the script |" in workshop.markdown


# Copies and spreadsheets


def test_a_copied_file_and_a_table_given_twice_count_once(workshop):
    workshop.five_results()
    scores = workshop.table([{"model": f"ckpt/run-{name}", "MMB": 50 + i} for i, name in enumerate("abcde")])
    workshop.report(workshop.results, "--scores", scores)
    once = workshop.leaderboard
    shutil.copytree(workshop.results, workshop.folder / "backup")
    again = shutil.copy(scores, workshop.folder / "again.csv")
    workshop.report(workshop.results, workshop.folder / "backup", "--scores", scores, again)
    assert workshop.leaderboard == once
    assert {row["runs"] for row in once} == {"1"}


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2", "@SUM(A1)"])
def test_a_name_that_a_spreadsheet_would_run_is_text_to_it(workshop, name):
    workshop.result(name, 2.5)
    workshop.report(workshop.results)
    assert workshop.column("model") == [f"'{name}"]
