"""What is given twice, or told by two sources that differ: counted once, said, or refused; never mixed in silence."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def scored(workshop, models):
    """Saves lmms-eval's scores of the five checkpoints, which were measured, to a folder; its path."""
    workshop.five_results()

    def save(folder="sft", **tasks):
        for index, model in enumerate(models):
            results = {"gqa": {"exact_match": 0.5 + index / 100}, **tasks}
            workshop.lmms_results(f"ckpt/{model}", results, folder)
        return workshop.folder / folder

    return save


def mir(workshop):
    return [float(number) for number in workshop.column("mir")]


MEASURED = pytest.approx([2.2, 2.4, 2.6, 2.8, 3.0])


# Files given as both


def test_a_folder_with_mir_and_scores_may_be_given_as_both_and_counts_once(workshop, scored):
    folder = scored("results")
    said = workshop.report(folder, "--scores", folder)
    assert workshop.column("runs") == ["1"] * 5 and workshop.column("spread_over_runs") == [""] * 5
    assert workshop.column("gqa") == ["0.54", "0.53", "0.52", "0.51", "0.5"]
    assert "several runs" not in said


def test_a_table_given_by_two_paths_counts_once(workshop, falling, monkeypatch):
    table = workshop.table(falling(4))
    monkeypatch.chdir(workshop.folder)
    workshop.report(table.name, "--scores", table)
    assert workshop.column("runs") == ["1"] * 4


# MIR after SFT


@pytest.mark.parametrize("paths", [["results"], ["."]], ids=["apart", "below what is given as measured"])
def test_mir_of_fine_tuned_models_is_not_that_before_sft(workshop, scored, paths):
    folder = scored(mir_builtin={"mir": 1.0, "mir_pairs": 100})
    said = workshop.report(*(workshop.folder / path for path in paths), "--scores", folder)
    assert mir(workshop) == MEASURED and workshop.column("runs") == ["1"] * 5
    assert "MIR in files of --scores is of fine-tuned models, and does not count: ckpt/run-a, " in said


def test_a_per_layer_file_of_a_fine_tuned_model_is_no_checkpoint(workshop, scored):
    folder = scored()
    file = workshop.result("run-a-sft", 0.5)
    file.rename(folder / file.name)
    said = workshop.report(workshop.results, "--scores", folder)
    assert mir(workshop) == MEASURED
    assert "does not count: run-a-sft." in said


def test_mir_in_the_log_of_sft_is_no_training(workshop, scored):
    folder = scored()
    entry = {"step": 10, "eval_mir": 0.5, "eval_mir_se": 0.1}
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": 10, "log_history": [entry]}))
    said = workshop.report(workshop.results, "--scores", folder)
    assert mir(workshop) == MEASURED
    assert f"does not count: {folder}." in said


def test_perplexity_of_fine_tuned_models_is_no_baseline(workshop, scored):
    workshop.report(workshop.results, "--scores", scored(mir_caption_ppl={"caption_ppl": 2.0}))
    assert "caption_ppl" not in workshop.leaderboard[0]


def test_mir_after_sft_alone_is_no_answer(workshop, scored, falling):
    folder = scored(mir_builtin={"mir": 1.0, "mir_pairs": 100})
    scores = workshop.table([{"model": "m", "gqa": 1}])
    assert "MIR in files of --scores is of fine-tuned models" in workshop.refusal(scores, "--scores", folder)


# Two numbers for one


def test_mir_of_a_table_that_differs_from_a_measured_one_is_said(workshop, models):
    workshop.five_results()
    rows = [
        {"model": f"ckpt/{model}", "mir": 2.9 if i == 0 else "", "gqa": 50 + i}
        for i, model in enumerate(models)
    ]
    said = workshop.report(workshop.results, workshop.table(rows))
    assert mir(workshop) == MEASURED
    assert "without its number of pairs does not count beside one that has it: run-a (2.900)." in said


def test_a_stated_average_of_some_models_only_does_not_count_and_is_said(workshop, falling):
    rows = [*falling(4, average=[70, 71, 72, ""]), {"model": "m9", "mir": 2, "average": 61}]
    problems = workshop.incomplete(workshop.table(rows))
    assert "no average for m9: no score in gqa, which the other models were averaged over" in problems
    assert workshop.column("average") == ["", "53.0", "52.0", "51.0", "50.0"]
    assert (
        "the averages that some models come with do not count, since not every model has one" in workshop.page
    )


@pytest.mark.parametrize("option", ["--max", "--scale"])
def test_an_option_without_a_part_in_stated_averages_says_so(workshop, falling, option):
    table = workshop.table(falling(4, average=[70, 71, 72, 73]))
    said = workshop.report(table, option, "gqa=80")
    assert "--max and --scale of gqa have no part in them" in said
    assert "have no part in them" not in workshop.report(table, option, "gqa=80", "--benchmarks", "gqa")


def test_a_fine_tuned_model_of_two_pretrained_ones_is_refused(workshop, models):
    workshop.five_results()
    mapping = [{"pretrained": f"ckpt/{model}", "finetuned": f"{model}-sft"} for model in models]
    table = workshop.table([*mapping, {"pretrained": "run-a", "finetuned": "run-a-sft"}], "map.csv")
    scores = workshop.table([{"model": f"{model}-sft", "gqa": 50 + i} for i, model in enumerate(models)])
    arguments = workshop.results, "--scores", scores, "--mapping", table
    workshop.report(*arguments)  # the same line twice, by two names of one model
    workshop.table([*mapping, {"pretrained": "ckpt/run-b", "finetuned": "run-a-sft"}], "map.csv")
    message = workshop.refusal(*arguments)
    assert "'run-a-sft' comes from two pretrained ones: 'ckpt/run-a' and 'ckpt/run-b' (--mapping " in message


def test_a_recipe_and_another_model_of_one_name_are_refused(workshop):
    rows = [
        {"model": f"m{i}", "mir": 3 - i / 10, "gqa": 50 + i, "recipe": "m0" if i > 3 else ""}
        for i in range(6)
    ]
    message = workshop.refusal(workshop.table(rows))
    assert "no training of it are both called 'm0' (" in message and "scores.csv, line 2)" in message
    rows[0]["recipe"] = "m0"
    workshop.report(workshop.table(rows))
    assert sorted(zip(workshop.column("model"), workshop.column("runs"), strict=True)) == [
        ("m0", "3"),
        ("m1", "1"),
        ("m2", "1"),
        ("m3", "1"),
    ]


def test_a_table_that_contradicts_the_recipes_of_another_is_left_out_whole(workshop):
    rows = [{"model": f"m{i}", "recipe": f"r{i}"} for i in range(4)]
    first = [{**row, "mir": 2 + i, "gqa": 50 + i} for i, row in enumerate(rows)]
    second = [{**row, "pope": 80 + i} for i, row in enumerate(rows)]
    second[3]["recipe"] = "another"
    problems = workshop.incomplete(workshop.table(first, "a.csv"), workshop.table(second, "b.csv"))
    assert "'m3' is of the recipe 'another' here, and of 'r3' in another table" in problems
    assert "pope" not in workshop.leaderboard[0]
    assert workshop.column("model") == ["r0", "r1", "r2", "r3"]


@pytest.mark.parametrize(
    ("option", "first", "second"),
    [
        ("--max", "gqa=100", "gqa=200"),
        ("--scale", "gqa=1", "gqa=2"),
        ("--metric", "gqa=a", "gqa=b"),
        ("--baseline", "loss", "loss:higher"),
    ],
)
def test_two_options_that_contradict_each_other_are_wrong_usage(workshop, falling, option, first, second):
    table = workshop.table(falling(4, loss=[4, 3, 2, 1]))
    with pytest.raises(SystemExit) as ended:
        workshop.run(table, option, first, option, second)
    assert ended.value.code == 2


def test_an_option_given_twice_alike_is_given_once(workshop, falling):
    workshop.report(workshop.table(falling(4)), "--max", "gqa=100", "--max", "gqa=100")


def test_a_greatest_score_and_a_factor_for_one_benchmark_are_refused(workshop, falling):
    table = workshop.table(falling(4, pope=[1, 2, 3, 4]))
    assert "gqa: --max and --scale both say" in workshop.refusal(
        table, "--max", "gqa=100", "--scale", "gqa=2"
    )
    workshop.report(table, "--max", "gqa=100", "--scale", "pope=2")


# Numbers that can be read in two ways


def test_rates_of_errors_above_one_may_be_fractions_or_per_cents(workshop, falling):
    table = workshop.table(falling(4, wer=[1.2, 1.0, 0.9, 0.8]))
    assert "wer (lower is better, scale not known: per cent (--scale wer=1), or" in workshop.report(table)
    assert workshop.column("average_over") == ["gqa"] * 4
    workshop.report(table, "--scale", "wer=100")
    assert [float(average) for average in workshop.column("average")] == pytest.approx([36.5, 31, 25.5, 15])
    said = workshop.report(workshop.table(falling(4, wer=[4, 3, 2, 1.5])))
    assert "wer (lower is better, per cent)" in said


def test_an_underscore_in_a_number_is_a_slip(workshop, falling):
    message = workshop.refusal(workshop.table(falling(4, pope=["8_1", 82, 83, 84])))
    assert "'8_1' is not a usable number (" in message and "line 2, column 'pope')" in message


def test_nan_in_json_is_a_missing_number_as_in_a_table(workshop, falling):
    rows = falling(5)
    rows[0]["gqa"] = float("nan")
    table = workshop.folder / "table.json"
    table.write_text(json.dumps(rows))
    workshop.report(table)
    assert workshop.regression.groups[0].n == 4
