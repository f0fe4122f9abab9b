"""Trainings of one recipe by several seeds count as one: the mean of theirs, with their spread as noise."""

import statistics

import pytest

pytestmark = pytest.mark.usefixtures("undrawn")

SEEDS = 3


def trainings(count=5, **columns):
    return [
        {
            "model": f"r{recipe}_s{seed}",
            "recipe": f"r{recipe}",
            "mir": 2 + 0.1 * recipe + 0.01 * seed,
            "gqa": 60 - recipe + 0.3 * seed**2,
            "loss": 1 + recipe + 0.1 * seed,
            **columns,
        }
        for recipe in range(count)
        for seed in range(SEEDS)
    ]


def test_fits_are_of_recipe_means(workshop):
    said = workshop.report(workshop.table(trainings()))
    (fit,) = workshop.regression.groups
    assert fit.n == 5
    rows = trainings()
    x, y = (
        [statistics.fmean(r[name] for r in rows if r["recipe"] == f"r{i}") for i in range(5)]
        for name in ("mir", "gqa")
    )
    assert fit.pearson.r == pytest.approx(statistics.correlation(x, y), abs=1e-12)
    assert fit.slope.estimate == pytest.approx(statistics.linear_regression(x, y).slope)
    assert "15 models are trainings of five recipes, which count once each" in said


def test_seeds_are_not_counted_as_evidence(workshop):
    workshop.report(workshop.table(trainings()))
    apart = workshop.regression.combined
    alone = [row for row in trainings() if row["model"].endswith("s1")]
    workshop.report(workshop.table(alone))
    assert apart.recipes == workshop.regression.combined.recipes == 5
    assert apart.p == workshop.regression.combined.p


def test_the_spread_over_trainings_is_noise_of_both(workshop):
    workshop.report(workshop.table(trainings()))
    assert [float(value) for value in workshop.column("spread_over_runs")] == pytest.approx([0.01] * 5)
    spread = statistics.stdev(0.3 * seed**2 for seed in range(SEEDS))
    assert [float(value) for value in workshop.column("gqa_spread")] == pytest.approx([spread] * 5)
    assert workshop.column("runs") == ["3"] * 5
    assert [float(value) for value in workshop.column("loss")] == pytest.approx([1.1 + i for i in range(5)])


def test_trainings_that_differ_are_no_reason_for_a_warning(workshop):
    said = workshop.report(workshop.table(trainings(mir_se=0.0001)))
    assert "differ by more than their standard errors allow" not in said


def test_in_a_group_the_trainings_that_have_scores_there_count(workshop):
    rows = trainings(4, group="g") + [
        {**row, "group": "h"} for row in trainings(4) if row["model"] != "r0_s2"
    ]
    for row in rows:
        workshop.result(row["model"], row.pop("mir"), row["model"])
    workshop.report(workshop.results, workshop.table(rows))
    mir = {(row["group"], row["model"]): float(row["mir"]) for row in workshop.leaderboard}
    assert mir["g", "r0"] == pytest.approx(2.01) and mir["h", "r0"] == pytest.approx(2.005)


def test_recipes_of_one_table_hold_for_scores_of_another(workshop):
    rows = trainings()
    mir = workshop.table([{k: r[k] for k in ("model", "recipe", "mir")} for r in rows], "mir.csv")
    scores = workshop.table([{k: r[k] for k in ("model", "gqa")} for r in rows], "scores.csv")
    workshop.report(mir, "--scores", scores)
    assert workshop.regression.groups[0].n == 5


def test_a_model_of_two_recipes_is_refused_by_line_and_column(workshop):
    rows = [*trainings(3), {**trainings(1)[0], "recipe": "other", "seed": 7}]
    said = workshop.run(workshop.table(rows)).errors
    assert "'r0_s0' is of the recipe 'r0' on another line, and of 'other' here" in said
    assert "line 11, column 'recipe'" in said
