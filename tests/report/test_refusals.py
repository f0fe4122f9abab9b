"""What no report can be made of, or not the whole answer; the message says why and what to do."""

import json

import pytest

from mir_task.report.cli import INCOMPLETE

pytestmark = pytest.mark.usefixtures("undrawn")


# Files


def test_a_folder_without_mir_is_refused(workshop):
    (workshop.folder / "other.json").write_text("{}")
    message = workshop.refusal(workshop.folder)
    assert message.startswith("mir-report: no MIR results found: expected per-layer files")
    assert not workshop.output.exists()


def test_a_path_that_does_not_exist_is_named(workshop):
    workshop.table([{"model": "m", "mir": 2}], "scores.csv")
    message = workshop.refusal(workshop.folder / "score.csv")
    assert message.startswith(f"mir-report: there is no file or folder {workshop.folder / 'score.csv'}")
    assert f"near matches: {workshop.folder / 'scores.csv'}" in message


def test_unreadable_json_is_named_and_the_others_load(workshop):
    workshop.five_results()
    broken = workshop.result("ckpt/broken", 2.0)
    broken.write_text('{\n "mir": 2.0,\n "layers": [\n')
    message = workshop.incomplete(workshop.results)
    assert message.startswith("mir-report: the file is not JSON: Expecting value")
    assert f"({broken}, line 4, column 1); write the file anew, or remove it; it is left out" in message
    assert "line 4, column 1" in workshop.page
    assert len(workshop.leaderboard) == 5


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        (lambda value: value["layers"][1].update(fid="big"), "layers.1.fid"),
        (lambda value: value["layers"][1].update(fid=1e200), "fid is 1e+200 ("),
        (lambda value: value.update(groups=10**200), "groups is no possible number ("),
        (lambda value: value.update(layers=[]), "layers: List should have at least 1 item"),
        (lambda value: value.update(mir="-Infinity"), "MIR is -inf: the modalities are identical"),
    ],
    ids=["text", "impossible number", "impossible count", "no layers", "identical modalities"],
)
def test_a_damaged_result_is_skipped_and_its_field_named(workshop, damage, field):
    workshop.five_results()
    path = workshop.result("ckpt/odd", 2.0)
    value = json.loads(path.read_text())
    damage(value)
    path.write_text(json.dumps(value))
    assert field in workshop.incomplete(workshop.results)
    assert len(workshop.leaderboard) == 5


# Numbers that cannot be compared


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"max_text_tokens": 1024}, {"max_text_tokens": 64}, "differ in max_text_tokens"),
        ({"template_sha256": "a"}, {"template_sha256": "b"}, "differ in chat template"),
        ({"pair_ids": ["a"]}, {"pair_ids": ["b"]}, "differ in pairs"),
        ({"task": "mir"}, {"task": "mir_local"}, "choose one with --task"),
    ],
)
def test_one_model_under_two_protocols_is_refused(workshop, first, second, message):
    workshop.result("m", 2.0, "first", first)
    workshop.result("m", 2.1, "second", second)
    assert message in workshop.refusal(workshop.results)


def test_models_of_different_numbers_of_pairs_are_not_compared_unless_told(workshop):
    workshop.result("a", 2.0)
    workshop.result("b", 2.1, protocol={"pair_ids": ["x"]}, pairs=20)
    message = workshop.refusal(workshop.results)
    assert "different numbers of pairs" in message and "--allow_mixed_protocols" in message
    workshop.report(workshop.results, "--allow_mixed_protocols")
    assert "Protocols were not checked" in workshop.page


def test_scores_of_other_models_list_both_sides_and_near_matches(workshop, models):
    workshop.five_results()
    table = workshop.table([{"model": f"{model}.v2", "gqa": 50} for model in models])
    message = workshop.refusal(workshop.results, "--scores", table)
    assert "MIR: ckpt/run-a" in message and "Scores: run-a.v2" in message
    assert "run-a.v2 ~ ckpt/run-a" in message and "--mapping" in message


def test_contradicting_scores_are_refused(workshop, models):
    workshop.five_results()
    tables = [
        workshop.table([{"model": model, "gqa": score} for score, model in enumerate(order)], f"{name}.csv")
        for name, order in (("forwards", models), ("backwards", models[::-1]))
    ]
    message = workshop.refusal(workshop.results, "--scores", *tables)
    assert "two scores of 'ckpt/run-" in message and "remove one" in message


def test_a_baseline_that_no_file_has_lists_the_results_there_are(workshop, models):
    workshop.five_results()
    workshop.lmms_results(f"ckpt/{models[0]}", {"mme": {"mme_perception_score": 40}})
    message = workshop.refusal(workshop.results, "--baseline", "seedbench")
    assert "--baseline seedbench: there is no column, and no result before SFT, of this name" in message
    assert "there are mme" in message


# Nothing to relate


@pytest.mark.parametrize("column", ["mir", "gqa"])
def test_numbers_that_do_not_vary_are_refused(workshop, falling, column):
    message = workshop.refusal(workshop.table(falling(4, **{column: [7] * 4})))
    shown = {"mir": "MIR", "gqa": "average"}[column]
    assert message.startswith(f"mir-report: all models: {shown} is the same for all 4 models")
    assert "scores.csv); see whether the files are of different checkpoints" in message


def test_a_group_that_does_not_vary_is_told_and_the_others_are_related(workshop, falling):
    varying = falling(4, group=["a"] * 4)
    constant = falling(4, group=["b"] * 4, gqa=[50] * 4)
    message = workshop.incomplete(workshop.table(varying + constant))
    assert "b: average is the same for all 4 models" in message
    a, b = workshop.regression.groups
    assert a.pearson and not b.pearson


@pytest.mark.parametrize(
    ("models", "said"), [(1, "one model with MIR and scores is"), (2, "two models with")]
)
def test_too_few_models_are_not_the_whole_answer(workshop, falling, models, said):
    message = workshop.incomplete(workshop.table(falling(models)))
    assert said in message and "three models give a correlation" in message


# Scores that were expected and are not there


def test_scores_that_are_all_missing_are_told(workshop, falling):
    ran = workshop.run(workshop.table(falling(4, gqa=["", "nan", "-", "n/a"])))
    assert ran.status == INCOMPLETE
    assert ran.errors.startswith("mir-report: the column 'gqa' holds no value in any line (")
    assert "The column 'gqa' holds no value in any line" in ran.output.splitlines()[1]


def test_results_after_sft_without_a_number_are_told(workshop, models):
    workshop.five_results()
    for model in models:
        workshop.lmms_results(f"ckpt/{model}", {"gqa": {"exact_match": "N/A"}}, "sft")
    message = workshop.incomplete(workshop.results, "--scores", workshop.folder / "sft")
    assert message.startswith(f"mir-report: no scores found in --scores {workshop.folder / 'sft'}: gqa")


def test_scores_in_the_folder_of_other_models_are_told(workshop, models):
    workshop.five_results()
    for model in models:
        workshop.lmms_results(f"{model}-sft", {"gqa": {"exact_match": 0.5}})
    message = workshop.incomplete(workshop.results)
    assert message.startswith(
        "mir-report: there are scores of models without MIR, which are not used: run-a-sft"
    )
    assert "--scores" in message and "--mapping" in message


# Averages over different benchmarks


def averages(**over):
    """Rows of groups of four models, each group with stated averages over the benchmarks named."""
    return [
        {
            "model": f"{group}{i}",
            "group": group,
            "mir": 3 - i / 10,
            "average": 60 + i,
            "A": 50 + i,
            "B": 70 + i,
            "average_over": benchmarks,
        }
        for group, benchmarks in over.items()
        for i in range(4)
    ]


def test_averages_over_different_benchmarks_are_never_pooled_silently(workshop):
    table = workshop.table(averages(g="A;B", h="A"))
    assert "The groups are not pooled" in workshop.report(table)
    assert workshop.regression.pooled is None
    message = workshop.refusal(table, "--pool", "g", "h")
    assert "cover different benchmarks (g: A, B; h: A)" in message and "--benchmarks common" in message


def test_averages_over_common_benchmarks_are_pooled(workshop):
    table = workshop.table(averages(g="A;B", h="A"))
    workshop.report(table, "--benchmarks", "common", "--pool", "g", "h")
    assert workshop.regression.pooled.over == ["A", "B"]


def test_averages_of_one_group_over_different_benchmarks_are_refused(workshop):
    rows = averages(g="A;B")
    rows[2]["average_over"] = "A"
    message = workshop.refusal(workshop.table(rows))
    assert "g: the averages cover different benchmarks" in message and "--benchmarks" in message


def test_results_from_before_orientation_was_recorded_stay_comparable(workshop):
    workshop.result("a", 2.0, protocol={"orientation": None})
    workshop.result("b", 2.1, protocol={"orientation": "exif"})
    workshop.report(workshop.results)


# Names that match nothing


def test_half_of_the_models_unmatched_is_not_the_whole_answer(workshop):
    measured = workshop.table([{"model": f"model-{i}", "mir": 3 - i / 10} for i in range(6)])

    def scores(matching):
        names = [f"model-{i}" if i < matching else f"model-{i}-sft" for i in range(6)]
        return workshop.table([{"model": name, "gqa": 50 + i} for i, name in enumerate(names)], "s.csv")

    said = workshop.report(measured, "--scores", scores(matching=5))
    left_out = "1 of the 6 models with scores have no MIR under their name, and are left out: model-5-sft."
    assert left_out in said and left_out in workshop.page and left_out not in said.splitlines()[1]
    assert "1 of the 6 models with MIR have no scores: model-5." in said
    ran = workshop.run(measured, "--scores", scores(matching=3))
    assert ran.status == INCOMPLETE
    told = (
        "3 of the 6 models with scores have no MIR under their name: model-3-sft, model-4-sft, model-5-sft."
    )
    assert told in ran.output.splitlines()[1] and told in ran.errors and told in workshop.page
    assert "Near matches: model-3-sft ~ model-3" in ran.output


def test_groups_whose_names_differ_by_case_are_told(workshop):
    measured = workshop.table([{"model": f"m{i}", "group": "fam0", "mir": 3 - i / 10} for i in range(4)])
    scores = workshop.table([{"model": f"m{i}", "group": "Fam0", "gqa": 50 + i} for i in range(4)], "s.csv")
    message = workshop.refusal(measured, "--scores", scores)
    assert "The names of the groups differ: 'fam0' of MIR, 'Fam0' of the scores." in message
    assert "m0 ~ m0" not in message


def test_an_option_that_names_no_benchmark_at_all_is_wrong_usage(workshop, falling):
    with pytest.raises(SystemExit, match="2"):
        workshop.run(workshop.table(falling(4)), "--benchmarks", ",")


@pytest.mark.parametrize(
    ("option", "value", "near"),
    [
        ("--metric", "gpa=exact_match", "gqa"),
        ("--metric", "gqa=exact_mach", "exact_match"),
        ("--baseline", "los:higher", "loss"),
        ("--benchmarks", "gpa", "gqa"),
        ("--pool", "all model", "all models"),
        ("--task", "mir_biultin", "mir_builtin"),
        ("--scale", "GQA=2", "gqa"),
        ("--max", "gqaa=2", "gqa"),
        ("--ignore", "gpa", "gqa"),
        ("--lower-is-better", "gpa", "gqa"),
    ],
)
def test_a_typo_in_an_option_is_refused_with_what_is_near(workshop, models, option, value, near):
    workshop.five_results()
    for index, model in enumerate(models):
        workshop.lmms_results(f"ckpt/{model}", {"gqa": {"exact_match": 0.5 + index / 100}}, "sft")
    losses = workshop.table([{"model": f"ckpt/{model}", "loss": i} for i, model in enumerate(models)])
    message = workshop.refusal(workshop.results, losses, "--scores", workshop.folder / "sft", option, value)
    assert message.startswith(f"mir-report: {option} {value.split('=')[0].split(':')[0]}")
    assert f"near matches: {near}" in message
