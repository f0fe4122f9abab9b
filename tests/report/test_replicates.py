"""Several measurements or scores of one model: reruns, seeds, parts of a benchmark, versions of a task."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def scored(workshop, models):
    """Five checkpoints with MIR, and lmms-eval's scores of each on GQA, rising as MIR falls; the arguments."""
    workshop.five_results()
    for index, model in enumerate(models):
        score(workshop, model, 0.5 + index / 100)
    return workshop.results, "--scores", workshop.folder / "sft"


def score(workshop, model, value, task="gqa", folder="sft", **fields):
    """Save lmms-eval's score of a checkpoint."""
    return workshop.lmms_results(f"ckpt/{model}", {task: {"exact_match": value}}, folder, **fields)


def averages(workshop):
    """The average of each model, by name."""
    return {row["model"].split("/")[-1]: float(row["average"]) for row in workshop.leaderboard}


# Reruns and seeds of SFT


def test_the_newest_of_reruns_counts_and_is_said(workshop, scored):
    newest = score(workshop, "run-a", 0.48, date="20260301_000000")
    score(workshop, "run-a", 0.9, date="20250101_000000")
    workshop.report(*scored)
    assert averages(workshop)["run-a"] == pytest.approx(48)
    assert f"gqa of ckpt/run-a from {newest}, not" in workshop.page


@pytest.mark.parametrize(("first", "second"), [(2025, 2026), (2026, 2025)])
def test_the_newest_counts_in_whatever_order_the_files_are_read(workshop, scored, first, second):
    for folder, year in (("sft/0", first), ("sft/1", second)):
        score(workshop, "run-a", 0.4 if year == 2026 else 0.3, folder=folder, date=f"{year}0201_000000")
    workshop.report(*scored)
    assert averages(workshop)["run-a"] == pytest.approx(40)


def test_a_rerun_of_a_part_does_not_replace_the_whole(workshop, scored, models):
    for index, model in enumerate(models):
        whole = {"n-samples": {"gqa": {"original": 12578, "effective": 12578}}}
        score(workshop, model, 0.5 + index / 100, date="20260201_000000", **whole)
    part = {"n-samples": {"gqa": {"original": 12578, "effective": 8}}}
    score(workshop, "run-a", 0.99, date="20260301_000000", **part)
    workshop.report(*scored)
    assert averages(workshop)["run-a"] == pytest.approx(50)


def test_seeds_of_sft_are_averaged_with_their_spread(workshop, models):
    workshop.five_results()
    mapping = []
    for index, model in enumerate(models):
        for seed, shift in enumerate((-0.01, 0.01)):
            name = f"{model}-sft-s{seed}"
            workshop.lmms_results(name, {"gqa": {"exact_match": 0.5 + index / 100 + shift}}, "sft")
            mapping.append({"pretrained": f"ckpt/{model}", "finetuned": name})
    table = workshop.table(mapping, "map.csv")
    workshop.report(workshop.results, "--scores", workshop.folder / "sft", "--mapping", table)
    assert averages(workshop) == pytest.approx({model: 50 + i for i, model in enumerate(models)})
    assert workshop.column("sft_runs") == ["2"] * 5
    assert [float(spread) for spread in workshop.column("gqa_spread")] == pytest.approx([0.02 / 2**0.5] * 5)
    assert "Scores are means over several runs of SFT: ckpt/run-a over 2" in workshop.page


@pytest.fixture
def seeds(workshop, models):
    """Five checkpoints, two seeds of SFT of each with a score on GQA, and the arguments that join them."""
    workshop.five_results()
    mapping = []
    for index, model in enumerate(models):
        for seed in range(2):
            name = f"{model}-sft-s{seed}"
            error = {"exact_match": 0.5 + index / 100 + seed / 50, "exact_match_stderr": 0.01}
            workshop.lmms_results(name, {"gqa": error}, "sft")
            mapping.append({"pretrained": f"ckpt/{model}", "finetuned": name})
    table = workshop.table(mapping, "map.csv")
    return workshop.results, "--mapping", table, "--scores", workshop.folder / "sft"


def test_a_table_beside_lmms_evals_scores_is_of_every_run_of_sft_and_no_run_of_its_own(
    workshop, seeds, models
):
    table = workshop.table([{"model": model, "pope": 80 + i} for i, model in enumerate(models)])
    workshop.report(*seeds, table)
    assert workshop.column("sft_runs") == ["2"] * 5
    assert workshop.column("model") == [f"ckpt/{model}" for model in reversed(models)]
    # GQA 51..55 over the seeds and POPE 80..84.
    assert averages(workshop) == pytest.approx({model: 65.5 + i for i, model in enumerate(models)})
    assert "pope_spread" not in workshop.leaderboard[0]


def test_a_table_may_name_the_fine_tuned_models(workshop, seeds, models):
    rows = [
        {"model": f"{model}-sft-s{s}", "pope": 80 + i + s} for i, model in enumerate(models) for s in (0, 1)
    ]
    workshop.report(*seeds, workshop.table(rows))
    assert workshop.column("sft_runs") == ["2"] * 5
    assert [float(spread) for spread in workshop.column("pope_spread")] == pytest.approx([0.5**0.5] * 5)


def test_a_table_may_state_the_mean_over_the_seeds_and_nothing_else(workshop, seeds, models):
    def table(shift):
        rows = [{"model": model, "gqa": 51 + i + shift} for i, model in enumerate(models)]
        return workshop.table(rows)

    workshop.report(*seeds, table(0.02))
    assert workshop.column("sft_runs") == ["2"] * 5
    message = workshop.refusal(*seeds, table(2))
    assert "two scores of 'ckpt/run-a' in gqa: 0.51 (" in message and "scores.csv, line 2)" in message


def test_errors_and_spread_are_in_per_cent_where_the_score_is(workshop, seeds, models):
    table = workshop.table([{"model": model, "gqa": 51 + i} for i, model in enumerate(models)])
    workshop.report(*seeds, table)
    row = workshop.leaderboard[-1]
    assert float(row["gqa"]) == 51
    assert float(row["gqa_stderr"]) == pytest.approx(1)
    assert float(row["gqa_spread"]) == pytest.approx(2**0.5)


def test_seeds_of_which_one_was_scored_on_a_part_are_not_averaged(workshop, seeds):
    for seed, effective in enumerate((9000, 8)):
        samples = {"n-samples": {"pope": {"original": 9000, "effective": effective}}}
        workshop.lmms_results(
            f"run-a-sft-s{seed}", {"pope": {"acc": 0.8}}, "sft", "20260301_000000", **samples
        )
    message = workshop.refusal(*seeds)
    assert "scores of pope cannot be compared: 'run-a-sft-s1' was scored on 8 of 9000 samples" in message


def test_seeds_of_sft_do_not_make_several_measurements_of_mir(workshop):
    rows = [
        {"model": f"m{i}", "seed": s, "mir": 3 - i / 10, "gqa": 50 + i + s} for i in range(4) for s in (0, 1)
    ]
    workshop.report(workshop.table(rows))
    assert workshop.column("runs") == ["1"] * 4 and workshop.column("sft_runs") == ["2"] * 4
    assert workshop.column("spread_over_runs") == [""] * 4


def test_seeds_of_pre_training_are_several_measurements_of_mir_and_are_said(workshop):
    rows = [
        {"model": f"m{i}", "seed": s, "mir": 3 - i / 10 + s / 5, "loss": s + 1}
        for i in range(2)
        for s in (0, 1)
    ]
    said = workshop.report(workshop.table(rows))
    assert "MIR is the mean over several runs: m0 of 2 (3.000 to 3.200), m1 of 2 (2.900 to 3.100)." in said
    assert workshop.column("loss") == ["1.5", "1.5"]


def test_paths_of_one_model_are_one_model(workshop, scored, models):
    table = workshop.table([{"model": model, "pope": 80 + i} for i, model in enumerate(models)])
    workshop.report(*scored, table)
    assert workshop.column("model") == [f"ckpt/{model}" for model in reversed(models)]
    assert workshop.regression.groups[0].over == ["gqa", "pope"]


def test_models_of_one_name_in_two_folders_are_two_models(workshop, scored):
    score(workshop, "run-a", 0.5)
    workshop.lmms_results("other/run-b", {"gqa": {"exact_match": 0.9}}, "sft")
    said = workshop.report(*scored)
    assert (
        "1 of the 6 models with scores have no MIR under their name, and are left out: other/run-b." in said
    )
    assert averages(workshop)["run-b"] == pytest.approx(51)


def test_scores_that_name_no_group_are_of_the_model_in_every_group(workshop):
    measured = [{"model": f"m{i}", "group": g, "mir": 3 - i / 10} for g in "gh" for i in range(4)]
    scores = [{"model": f"m{i}", "gqa": 50 + i} for i in range(4)]
    workshop.report(workshop.table(measured, "mir.csv"), "--scores", workshop.table(scores))
    assert [(fit.group, fit.n) for fit in workshop.regression.groups] == [("g", 4), ("h", 4)]


def test_rows_of_a_table_that_differ_in_their_seed_are_averaged(workshop):
    rows = [
        {"model": f"m{i}", "seed": seed, "mir": 3 - i / 10, "gqa": 50 + i + seed}
        for i in range(4)
        for seed in range(3)
    ]
    workshop.report(workshop.table(rows))
    assert averages(workshop) == {f"m{i}": 51 + i for i in range(4)}
    assert workshop.column("gqa_spread") == ["1.0"] * 4
    assert workshop.regression.groups[0].n == 4


def test_a_fraction_and_its_per_cent_are_one_score(workshop, falling):
    rows = falling(4)
    fractions = [{"model": row["model"], "gqa": row["gqa"] / 100} for row in rows]
    workshop.report(workshop.table(rows), workshop.table(fractions, "fractions.csv"))
    assert averages(workshop) == {f"m{i}": 50 + i for i in range(4)}


# Runs of one checkpoint that disagree


def test_runs_further_apart_than_their_standard_errors_are_a_warning(workshop):
    workshop.result("a", 3.0, "first", standard_error=0.02)
    workshop.result("a", 2.2, "second", standard_error=0.02)
    workshop.result("b", 2.4, standard_error=0.02)
    said = workshop.report(workshop.results)
    assert "The runs of a differ by more than their standard errors allow: MIR 2.200 to 3.000" in said
    assert workshop.column("rank") == workshop.column("rank")[::-1] == ["1", "1"]
    assert float(workshop.leaderboard[1]["spread_over_runs"]) == pytest.approx(0.8 / 2**0.5)
    assert "0.566" in workshop.page


@pytest.mark.parametrize(("ratio", "disagree"), [(2.5, False), (2.75, True)])
def test_three_runs_disagree_beyond_the_chi_squared_of_two_degrees_of_freedom(workshop, ratio, disagree):
    # P(chi2 > x) of two degrees of freedom is exp(-x / 2): a thousandth at a spread of 2.63 standard errors.
    for index, shift in enumerate((-ratio, 0, ratio)):
        workshop.result("a", 3 + 0.02 * shift, f"run{index}", standard_error=0.02)
    workshop.result("b", 2.4, standard_error=0.02)
    assert ("The runs of a differ by more" in workshop.report(workshop.results)) == disagree


def test_the_standard_error_over_runs_is_the_root_of_their_mean_square(workshop):
    for index, error in enumerate((0.01, 0.07)):
        workshop.result("a", 3 + index / 100, f"run{index}", standard_error=error)
    workshop.report(workshop.results)
    assert workshop.column("standard_error") == [str(0.05)]


# Parts of a benchmark, and versions of a task


def test_scores_of_a_part_are_not_compared_with_those_of_the_whole(workshop, scored):
    for model, scored_samples in (("run-a", 8), ("run-b", 12578)):
        samples = {"n-samples": {"gqa": {"original": 12578, "effective": scored_samples}}}
        score(workshop, model, 0.5, date="20260301_000000", **samples)
    message = workshop.refusal(*scored)
    assert "scores of gqa cannot be compared" in message
    assert "'ckpt/run-a' was scored on 8 of 12578 samples (--limit)" in message
    workshop.report(*scored, "--allow_mixed_protocols")


def test_scores_that_are_all_of_the_same_part_say_so(workshop, models):
    workshop.five_results()
    for index, model in enumerate(models):
        samples = {"n-samples": {"gqa": {"original": 12578, "effective": 100}}}
        score(workshop, model, 0.5 + index / 100, **samples)
    workshop.report(workshop.results, "--scores", workshop.folder / "sft")
    assert "gqa was scored on 100 of its 12578 samples (--limit)." in workshop.page


def test_scores_by_two_versions_of_a_task_are_not_compared(workshop, scored):
    for model, version in (("run-a", 1.0), ("run-b", 0.0)):
        score(workshop, model, 0.5, date="20260301_000000", versions={"gqa": version})
    message = workshop.refusal(*scored)
    assert "was scored by version" in message and "of the task" in message


def test_a_limit_is_read_where_the_file_tells_no_number_of_samples(workshop, scored):
    for model, limit in (("run-a", 8), ("run-b", None)):
        score(workshop, model, 0.5, date="20260301_000000", config={"limit": limit})
    message = workshop.refusal(*scored)
    assert "'ckpt/run-a' was scored with --limit 8" in message and "'ckpt/run-b' on all samples" in message


def test_all_samples_are_all_samples_however_a_file_says_it(workshop, scored):
    whole = {"n-samples": {"gqa": {"original": 12578, "effective": 12578}}}
    score(workshop, "run-a", 0.5, date="20260301_000000", **whole)
    score(workshop, "run-b", 0.51, date="20260301_000000", config={"limit": None})
    workshop.report(*scored)


def test_scores_by_two_metrics_are_not_compared(workshop, scored):
    workshop.lmms_results("ckpt/run-a", {"gqa": {"anls": 0.7, "exact_match": 0.5}}, "sft", "20260301_000000")
    message = workshop.refusal(*scored, "--allow_mixed_protocols")
    assert "'ckpt/run-a' was scored by anls" in message and "--metric gqa=METRIC" in message
    workshop.report(*scored, "--metric", "gqa=exact_match")


def test_scores_of_which_opposite_ends_are_better_are_not_compared(workshop, scored):
    for model, higher in (("run-a", True), ("run-b", False)):
        said = {"higher_is_better": {"gqa": {"exact_match": higher}}}
        score(workshop, model, 0.5, date="20260301_000000", **said)
    assert "with higher as better" in workshop.refusal(*scored)


def test_mir_of_lmms_evals_files_alone_is_compared_by_number_of_samples(workshop):
    for index, effective in enumerate((100, 100, 20)):
        samples = {"n-samples": {"mir_builtin": {"original": 100, "effective": effective}}}
        workshop.lmms_results(f"m{index}", {"mir_builtin": {"mir": 2.5}}, **samples)
    assert "most on 100, 'm2' on 20" in workshop.refusal(workshop.results)


@pytest.mark.parametrize(
    ("fields", "differing"),
    [
        (lambda i: {"versions": {"mir_builtin": float(i)}}, "task_version"),
        (
            lambda i: {"configs": {"mir_builtin": {"dataset_kwargs": {"max_text_tokens": 64 * (i + 1)}}}},
            "max_text_tokens",
        ),
    ],
)
def test_mir_without_per_layer_files_is_compared_by_what_lmms_eval_tells(workshop, fields, differing):
    for index in range(2):
        workshop.lmms_results(f"m{index}", {"mir_builtin": {"mir": 2.5, "mir_pairs": 100}}, **fields(index))
    message = workshop.refusal(workshop.results)
    assert f"differ in {differing}" in message and "--allow_mixed_protocols" in message


def test_the_standard_error_of_a_score_is_that_of_the_filter_that_is_taken(workshop, models):
    workshop.five_results()
    for index, model in enumerate(models):
        path = workshop.lmms_results(f"ckpt/{model}", {}, "sft")
        value = json.loads(path.read_text())
        value["results"] = {
            "gqa": {
                "exact_match,strict": 0.5 + index / 100,
                "exact_match_stderr,strict": "N/A",
                "exact_match,flexible": 0.7,
                "exact_match_stderr,flexible": 0.03,
            }
        }
        path.write_text(json.dumps(value))
    workshop.report(workshop.results, "--scores", workshop.folder / "sft")
    assert workshop.column("gqa") == ["0.54", "0.53", "0.52", "0.51", "0.5"]
    assert "gqa_stderr" not in workshop.leaderboard[0]


@pytest.mark.parametrize(
    ("task", "numbers"),
    [
        ("mme", {"mme_cognition_score": 300, "mme_perception_score": 1500}),
        ("seedbench", {"seed_all": 0.3, "seed_image": 0.6}),
        ("pope", {"pope_f1_score": 0.5, "pope_accuracy": 0.8}),
        ("mmstar", {"coarse perception": 0.5, "average": 0.4}),
        ("gqa", {"exact_match_stderr": 0.01, "exact_match": 0.6}),
    ],
)
def test_the_score_of_a_task_is_the_metric_that_papers_report(workshop, models, task, numbers):
    *_, (metric, value) = numbers.items()
    workshop.five_results()
    for index, model in enumerate(models):
        rising = {name: number * (1 + index / 100) for name, number in numbers.items()}
        workshop.lmms_results(f"ckpt/{model}", {task: rising}, "sft")
    workshop.report(workshop.results, "--scores", workshop.folder / "sft")
    assert float(workshop.column(task)[-1]) == value
    said = workshop.refusal(
        workshop.results, "--scores", workshop.folder / "sft", "--metric", f"{task}=nothing"
    )
    assert metric in said


def test_a_benchmark_that_fewer_seeds_have_is_a_mean_of_fewer(workshop):
    rows = [
        {
            "model": f"m{i}",
            "seed": s,
            "mir": 3 - i / 10,
            "gqa": 50 + i + s,
            "pope": 80 + i + s if s < 2 else "",
        }
        for i in range(4)
        for s in range(3)
    ]
    workshop.report(workshop.table(rows))
    (noise,) = [fit.score_noise for fit in workshop.regression.groups]
    # The mean of GQA over three seeds of variance 1, and of POPE over two of variance 1/2.
    variance = (1 / 3 + 0.5 / 2) / 4
    assert noise.q == pytest.approx(sum((i - 1.5) ** 2 for i in range(4)) / variance)
