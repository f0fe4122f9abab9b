"""Several measurements or scores of one model: reruns, seeds, parts of a benchmark, versions of a task."""

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
