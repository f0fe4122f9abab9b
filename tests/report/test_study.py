"""A folder with everything that a study leaves: results of two tasks, tables in per cent and as fractions, curves."""

import json

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.usefixtures("undrawn")


def test_the_study_is_reported_as_it_stands(workshop, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    said = workshop.report("results/study")
    assert said.startswith("Do not choose by MIR here: higher MIR goes with higher scores (")
    assert "; caption_ppl would (" in said.splitlines()[0]
    assert "are trainings of 38 recipes, which count once each" in said
    assert said.splitlines()[1].startswith(
        "MIR is that of the task mir_local; there is also mir_builtin (--task)."
    )
    published = json.loads((REPOSITORY / "results/study/regression.json").read_text())
    for fit, before in zip(workshop.regression.groups, published["groups"], strict=True):
        assert (fit.group, fit.n) == (before["group"], before["n"])
        if before["pearson"] is None:  # MoCa: two recipes
            assert fit.pearson is None
            continue
        assert fit.pearson.r == pytest.approx(before["pearson"]["r"], abs=1e-3)
        assert fit.slope.estimate == pytest.approx(before["slope"]["estimate"], rel=1e-3)


def test_the_studys_fractions_alone_give_the_points_of_its_per_cents(workshop, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    said = workshop.report("results/study/models.csv", "--scores", "results/study/sft")
    assert "The stated averages are fractions, and shown in points of a hundred." in said
    published = json.loads((REPOSITORY / "results/study/regression.json").read_text())
    both = zip(workshop.regression.groups, published["groups"], strict=True)
    slopes = [(fit.slope.estimate, before["slope"]["estimate"]) for fit, before in both if before["slope"]]
    assert len(slopes) == 8
    for slope, before in slopes:
        assert slope == pytest.approx(before, rel=2e-3)


def test_the_task_of_most_models_is_taken(workshop):
    for index in range(3):
        workshop.result(f"m{index}", 2 + index / 10, "own", {"task": "mir"})
    workshop.result("m0", 1.5, "other", {"task": "mir_local"})
    assert "MIR is that of the task mir; there is also mir_local" in workshop.report(workshop.results)
    assert workshop.column("mir") == ["2.0", "2.1", "2.2"]
    workshop.report(workshop.results, "--task", "mir_local")
    assert workshop.column("mir") == ["1.5"]


def test_a_table_that_repeats_a_measured_mir_is_no_second_run(workshop, models):
    workshop.five_results()
    rows = [
        {"model": f"ckpt/{model}", "group": "g", "mir": f"{3 - 0.2 * i:.3f}"}
        for i, model in enumerate(models)
    ]
    said = workshop.report(workshop.results, workshop.table(rows))
    assert workshop.column("runs") == ["1"] * 5 and set(workshop.column("group")) == {"g"}
    assert "does not count" not in said


def test_a_table_that_names_no_group_is_of_the_groups_that_others_name(workshop, falling):
    groups = workshop.table(falling(4, group=["g"] * 4))
    more = workshop.table([{"model": f"m{i}", "pope": 80 + i} for i in range(4)], "more.csv")
    workshop.report(groups, more)
    assert workshop.column("model") == ["m3", "m2", "m1", "m0"]
    assert workshop.regression.groups[0].over == ["gqa", "pope"]
