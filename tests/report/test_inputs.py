"""Which columns and tasks are scores, out of how much, and which end of each is better."""

import pytest
from scipy import stats

from mir_task.report.cli import INCOMPLETE

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def settings():
    """Columns of settings, none of which follows MIR as scores would."""
    return {
        "seed": [1, 2, 3, 4],
        "lr": [0.001, 0.002, 0.0005, 0.003],
        "params_b": [7, 13, 7, 13],
        "batch": [256, 128, 256, 512],
        "mir_stderr": [0.02, 0.02, 0.03, 0.02],
        "gqa_stderr": [0.5, 0.4, 0.5, 0.6],
        "connector": ["mlp", "linear", "mlp", "none"],
    }


# What counts as a benchmark


def test_settings_and_standard_errors_are_no_benchmarks(workshop, falling, settings):
    workshop.report(workshop.table(falling(4)))
    plain = workshop.regression.groups
    workshop.report(workshop.table(falling(4, **settings)))
    # Errors of MIR and of scores are used, and change nothing else.
    (group,) = workshop.regression.groups
    assert [group.model_copy(update={"score_noise": None})] == plain
    assert [fit.score for fit in workshop.regression.benchmarks] == ["gqa"]
    assert workshop.column("standard_error") == ["0.02", "0.03", "0.02", "0.02"]


def test_what_is_taken_and_what_is_left_out_is_said(workshop, falling, settings):
    said = workshop.report(workshop.table(falling(4, **settings)))
    for told in (
        "Benchmarks: gqa (per cent).",
        "seed, lr, params_b, batch (setting)",
        "gqa_stderr (standard error of gqa)",
        "connector (text)",
    ):
        assert told in said and told in workshop.page and told in workshop.markdown


def test_a_column_is_ignored_where_asked_for(workshop, falling):
    table = workshop.table(falling(4, mystery=[9, 1, 5, 2]))
    assert "Not taken as benchmarks: mystery (--ignore)." in workshop.report(table, "--ignore", "mystery")
    assert [fit.score for fit in workshop.regression.benchmarks] == ["gqa"]
    message = workshop.refusal(table, "--ignore", "mistery")
    assert "--ignore mistery: there is no column or task of this name; near matches: mystery" in message


def test_strict_refuses_names_that_are_not_known(workshop, falling, settings):
    table = workshop.table(falling(4, mystery=[9, 1, 5, 2], **settings))
    message = workshop.refusal(table, "--strict")
    assert "--strict: mystery" in message and "--ignore NAME" in message and "lr" not in message
    workshop.report(table, "--strict", "--ignore", "mystery")
    workshop.report(table, "--strict", "--max", "mystery=10")


def test_a_column_without_a_name_is_left_out(workshop):
    table = workshop.folder / "scores.csv"
    table.write_text(",model,mir,gqa\n0,a,3,50\n1,b,2,51\n2,c,1,52\n")
    assert "(no name) (column without a name)" in workshop.report(table)
    assert workshop.regression.groups[0].over == ["gqa"]


@pytest.mark.parametrize(
    "name", ["hidden_size", "size_b", "year", "cost", "n_gpus", "wall_clock_hours", "grad norm", "SFT seed"]
)
def test_names_of_settings_are_known_in_many_forms(workshop, falling, name):
    said = workshop.report(workshop.table(falling(4, **{name: [7, 1, 9, 3]})))
    assert f"Not taken as benchmarks: {name} (setting)." in said


def test_a_loss_before_sft_is_a_baseline_whatever_it_is_called(workshop, falling):
    workshop.report(workshop.table(falling(4, val_loss=[4, 3, 2, 1])))
    assert [fit.predictor for fit in workshop.regression.baselines] == ["val_loss", "mir"]
    assert workshop.regression.groups[0].over == ["gqa"]


def test_seed_is_a_setting_where_it_holds_seeds_and_seed_bench_where_it_holds_scores(workshop, falling):
    said = workshop.report(workshop.table(falling(4, SEED=[60.1, 61.2, 62.3, 63.4])))
    assert "Benchmarks: gqa (per cent), SEED (per cent)." in said
    said = workshop.report(workshop.table(falling(4, SEED=[0, 1, 2, 42])))
    assert "Benchmarks: gqa (per cent)." in said and "SEED (setting)" in said


def test_a_column_that_holds_nothing_is_no_benchmark(workshop, falling):
    said = workshop.report(workshop.table(falling(4, pope=["", "nan", "-", "n/a"])))
    assert "Benchmarks: gqa (per cent)." in said
    assert "Not taken as benchmarks: pope (no value in any line)." in said


# Standard errors of scores


@pytest.mark.parametrize("name", ["gqa_stderr", "gqa_se", "gqa stderr", "GQA_STDERR", "gqa_standard_error"])
def test_a_column_of_standard_errors_is_that_of_its_score(workshop, falling, name):
    said = workshop.report(workshop.table(falling(4, **{name: [0.5, 0.4, 0.5, 0.6]})))
    assert f"{name} (standard error of " in said
    assert workshop.column("gqa_stderr") == ["0.6", "0.5", "0.4", "0.5"]


def test_a_score_whose_questions_were_all_answered_has_a_standard_error_of_zero(workshop, falling):
    workshop.report(workshop.table(falling(4, gqa_stderr=[0.0, 0.4, 0.5, 0.6])))
    assert sorted(workshop.column("gqa_stderr")) == ["0.0", "0.4", "0.5", "0.6"]


@pytest.mark.parametrize("name", ["average_stderr", "average_se"])
def test_a_stated_average_has_its_standard_error(workshop, falling, name):
    columns = {"average": [60, 61, 62, 63], name: [0.1, 0.2, 0.3, 0.4]}
    workshop.report(workshop.table(falling(4, **columns)))
    assert workshop.column("average_stderr") == ["0.4", "0.3", "0.2", "0.1"]


def test_a_stated_average_in_per_cent_of_some_models_and_as_a_fraction_of_others_is_refused(
    workshop, falling
):
    message = workshop.refusal(workshop.table(falling(4, average=[0.6, 61, 62, 63])))
    assert message.startswith(
        "mir-report: average: fractions and per cents are mixed: 0.6 of 'm0' and 61 of 'm1'"
    )


def test_an_error_without_its_score_is_told(workshop, falling):
    said = workshop.report(workshop.table(falling(4, pope_stderr=[1, 1, 1, 1])))
    assert "pope_stderr (standard error of pope, which is no column)" in said
    assert "pope_stderr" not in workshop.leaderboard[0]


@pytest.mark.parametrize(("name", "what"), [("gqa_std", "standard deviation"), ("gqa_ci", "interval")])
def test_a_spread_is_no_standard_error(workshop, falling, name, what):
    said = workshop.report(workshop.table(falling(4, **{name: [5, 4, 5, 6]})))
    assert f"{name} ({what} of gqa)" in said
    assert "gqa_stderr" not in workshop.leaderboard[0]


# Which end is better


def test_a_score_that_lmms_evals_file_says_is_better_lower_is_turned_round(workshop, models):
    workshop.five_results()
    for index, model in enumerate(models):
        direction = {"higher_is_better": {"amber_g": {"amber_chair": False}}}
        workshop.lmms_results(f"ckpt/{model}", {"amber_g": {"amber_chair": 12 - index}}, "sft", **direction)
    said = workshop.report(workshop.results, "--scores", workshop.folder / "sft")
    assert "Benchmarks: amber_g (lower is better, per cent)." in said
    (fit,) = workshop.regression.benchmarks
    assert fit.pearson.r == pytest.approx(-1) and fit.ranking_accuracy.value == 1
    assert [float(average) for average in workshop.column("average")] == [92, 91, 90, 89, 88]
    assert workshop.column("amber_g") == ["8.0", "9.0", "10.0", "11.0", "12.0"]


def test_a_score_is_better_lower_where_the_user_says_so(workshop, falling):
    table = workshop.table(falling(4, failures=[0.4, 0.3, 0.2, 0.1]))
    workshop.report(table, "--lower-is-better", "failures", "--max", "failures=1")
    # gqa 50..53 and 100 minus 40, 30, 20, 10.
    assert [float(average) for average in workshop.column("average")] == [71.5, 66, 60.5, 55]
    failures = workshop.regression.benchmarks[1]
    assert failures.regret.chosen == failures.regret.best == ["m3"]
    message = workshop.refusal(table, "--lower-is-better", "failure")
    assert "--lower-is-better failure: there is no benchmark of this name; near matches: failures" in message


# What a score is out of


@pytest.mark.parametrize(
    ("name", "scores", "points"),
    [
        ("MME-P", [1300, 1320, 1340, 1360], [65, 66, 67, 68]),
        ("OCRBench", [300, 310, 320, 330], [30, 31, 32, 33]),
        ("mmmu_val", [0.3, 0.31, 0.32, 0.33], [30, 31, 32, 33]),
        ("mme_realworld", [30, 31, 32, 33], [30, 31, 32, 33]),
        ("CHAIRs", [30, 29, 28, 27], [70, 71, 72, 73]),
    ],
)
def test_the_name_of_a_task_tells_what_it_is_out_of(workshop, falling, name, scores, points):
    workshop.report(workshop.table(falling(4, **{name: scores})))
    expected = [(50 + i + each) / 2 for i, each in enumerate(points)]
    assert [float(average) for average in workshop.column("average")] == pytest.approx(expected[::-1])


def test_points_that_could_be_per_cents_have_no_scale_until_it_is_told(workshop, falling):
    table = workshop.table(falling(4, MME=[61, 62, 63, 64]))
    assert "MME (scale not known: per cent, or of 2000)" in workshop.report(table)
    assert workshop.regression.groups[0].over == ["gqa"]
    workshop.report(table, "--max", "MME=100")
    assert workshop.regression.groups[0].over == ["gqa", "MME"]


def test_the_greatest_score_can_be_told(workshop, falling):
    table = workshop.table(falling(4, judge=[5, 6, 7, 8]))
    workshop.report(table, "--max", "judge=10")
    assert [float(average) for average in workshop.column("average")] == [66.5, 61, 55.5, 50]


def test_a_score_of_unknown_scale_is_not_summed(workshop, falling):
    said = workshop.report(workshop.table(falling(4, judge=[300, 10, 5, 8])))
    assert workshop.regression.groups[0].over == ["gqa"]
    assert "judge (scale not known)" in said
    assert "judge not in the average, since what the scores are out of is not known" in workshop.page


def test_scores_that_are_all_of_unknown_scale_are_standardised(workshop, falling):
    rows = falling(4, one=[1, 2, 3, 4], two=[300, 100, 200, 400])
    for row in rows:
        del row["gqa"]
    said = workshop.report(workshop.table(rows))
    assert "the average is of standardised scores" in said.splitlines()[1]
    one, two = (stats.zscore(values) for values in ([1, 2, 3, 4], [300, 100, 200, 400]))
    assert [float(average) for average in workshop.column("average")] == pytest.approx(
        ((one + two) / 2)[::-1]
    )


@pytest.mark.parametrize("name", ["gqa", "mystery"])
def test_per_cent_and_fraction_in_one_column_are_refused(workshop, falling, name):
    table = workshop.table(falling(4, **{name: [61, 0.62, 63, 64]}))
    message = workshop.refusal(table)
    assert f"{name}: fractions and per cents are mixed: 0.62 of 'm1' ({table}, line 3)" in message
    assert f"61 of 'm0' ({table}, line 2)" in message
    workshop.report(table, "--max", f"{name}=100")


def test_a_score_beyond_its_scale_is_refused(workshop, falling):
    table = workshop.table(falling(4, gqa=[50, 51, 520, 53]))
    message = workshop.refusal(table)
    assert f"gqa: the score 520 of 'm2' ({table}, line 4) is not within 0 and 100" in message


def test_a_scale_or_a_greatest_score_of_no_benchmark_is_refused(workshop, falling):
    table = workshop.table(falling(4))
    for option in ("--scale", "--max"):
        message = workshop.refusal(table, option, "gpa=3")
        assert f"{option} gpa: there is no benchmark of this name; near matches: gqa" in message


# One model unlike the others


def test_what_is_true_of_many_groups_is_said_once(workshop):
    rows = [
        {"model": f"m{i}", "group": group, "mir": 3 - i / 10, "foo": i + 20, "bar": i + 2}
        for group in ("g", "h")
        for i in range(4)
    ]
    said = workshop.report(workshop.table(rows))
    assert said.count("so the average is of standardised scores") == 1
    assert "g, h: what foo, bar are out of is not known" in said


def test_many_groups_are_counted_and_few_are_named(workshop):
    def said(groups):
        rows = [
            {"model": f"m{group}{i}", "group": f"set {group}", "mir": 3 - i / 10, "gqa": 50 + i + group / 10}
            for group in range(groups)
            for i in range(4)
        ]
        return workshop.report(workshop.table(rows))

    assert "Across 13 groups (52 models, " in said(13)
    assert "Across set 0, set 1 and set 2 (12 models, " in said(3)


def test_one_model_with_another_benchmark_is_left_out_and_named(workshop, falling):
    rows = falling(6, pope=list(range(80, 86)))
    rows[2] = {"model": "m2", "mir": 2.8, "mmmu": 30}
    ran = workshop.run(workshop.table(rows))
    assert ran.status == INCOMPLETE
    assert "no average for m2: no score in gqa, pope" in ran.errors and "no average for m2" in workshop.page
    (fit,) = workshop.regression.groups
    assert (fit.over, fit.n, fit.excluded) == (["gqa", "pope"], 5, ["m2"])


def test_one_model_with_few_of_many_benchmarks_does_not_shrink_the_average(workshop, falling):
    many = {name: [60 + i for i in range(5)] for name in ("pope", "mmmu", "mmstar", "docvqa")}
    rows = falling(5, **many)
    rows[4] = {"model": "m4", "mir": 2.6, "gqa": 54}
    workshop.incomplete(workshop.table(rows))
    assert workshop.regression.groups[0].over == ["gqa", *many]
    assert workshop.regression.groups[0].excluded == ["m4"]


def test_benchmarks_that_one_model_alone_has_decide_nothing(workshop, falling):
    rows = falling(5, pope=[80, 81, 82, 83, 84], sqa=["", 61, 62, 63, 64])
    rows[4] |= {"ai2d": 50, "mmmu": 30, "vqav2": 70, "blink": 40}
    workshop.report(workshop.table(rows))
    assert workshop.column("average_over") == ["gqa;pope"] * 5
