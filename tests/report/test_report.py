"""From files to the report, by the command line."""

import subprocess
import sys

import pytest

from mir_task.report.cli import INCOMPLETE, WRITTEN

pytestmark = pytest.mark.usefixtures("undrawn")


# Where scores come from


def test_without_scores_there_is_a_leaderboard_and_no_correlation(workshop, models):
    workshop.five_results()
    said = workshop.report(workshop.results)
    assert said.startswith("Choose run-e, which has the lowest MIR (P 99% that it truly is)")
    assert "no scores were given" in said
    assert workshop.regression.groups == []
    assert workshop.column("model") == [f"ckpt/{model}" for model in reversed(models)]
    assert workshop.column("rank") == list("12345")


def test_scores_come_from_a_table(workshop, models):
    workshop.five_results()
    table = workshop.table(
        [{"model": model, "gqa": 50 + i, "mme": 1400 + 30 * i} for i, model in enumerate(models)]
    )
    said = workshop.report(workshop.results, "--scores", table)
    (fit,) = workshop.regression.groups
    assert fit.n == 5 and fit.pearson.r == pytest.approx(-1)
    assert fit.over == ["gqa", "mme"]
    # MME counts a twentieth: 50..54 and 70, 71.5 ...
    assert [float(average) for average in workshop.column("average")] == [65.0, 63.75, 62.5, 61.25, 60.0]
    assert "run-e, the lowest MIR, is best after SFT." in said


@pytest.fixture
def fine_tuned(workshop, models):
    """Five checkpoints, scores of each before and after SFT by lmms-eval, and the arguments that join them."""
    workshop.five_results()
    for index, model in enumerate(models):
        before = {"mme": {"mme_cognition_score": 9, "mme_perception_score": 40 + index}}
        after = {"gqa": {"exact_match": 0.5 + index / 100}}
        workshop.lmms_results(f"ckpt/{model}", before)
        workshop.lmms_results(f"sft/{model}-sft", after, folder="sft")
    mapping = workshop.table(
        [
            {"pretrained": f"ckpt/{model}", "finetuned": f"{model}-sft", "group": "recipes"}
            for model in models
        ],
        "map.csv",
    )
    return workshop.results, "--scores", workshop.folder / "sft", "--mapping", mapping


def test_scores_come_from_lmms_eval_by_mapping(workshop, fine_tuned):
    workshop.report(*fine_tuned)
    (fit,) = workshop.regression.groups
    # Not mme: that is what the checkpoints score before SFT.
    assert (fit.group, fit.n, fit.over) == ("recipes", 5, ["gqa"])
    assert fit.regret.by_chance == pytest.approx(2.0)  # fractions are shown as per cent


def test_a_score_before_sft_is_a_baseline_where_asked_for(workshop, fine_tuned):
    workshop.report(*fine_tuned, "--baseline", "mme:higher")
    baseline, mir = workshop.regression.baselines
    assert (baseline.predictor, baseline.better) == ("mme", "higher")
    assert baseline.ranking_accuracy.value == 1.0
    assert mir.predictor == "mir"


def test_baselines_are_judged_on_the_same_models(workshop, falling):
    workshop.report(workshop.table(falling(5, loss=[2.0, 1.9, 2.2, 1.7, ""])))
    loss, mir = workshop.regression.baselines
    assert (loss.predictor, loss.n, mir.n) == ("loss", 4, 4)
    assert loss.ranking_accuracy.correct == 4 and mir.ranking_accuracy.correct == 6
    assert "Pairs in order on the same models: loss 67% and MIR 100%" in workshop.page
    assert "On the models that have both" not in workshop.page
    assert workshop.regression.groups[0].n == 5


def test_missing_scores_are_left_out_benchmark_by_benchmark_and_counted(workshop, falling):
    workshop.report(workshop.table(falling(5, pope=[80, 81, "", 83, 84])))
    gqa, pope = workshop.regression.benchmarks
    assert (gqa.score, gqa.n, gqa.excluded) == ("gqa", 5, [])
    assert (pope.score, pope.n, pope.excluded) == ("pope", 4, ["m2"])
    assert workshop.regression.groups[0].over == ["gqa"]
    assert "pope not in the average" in workshop.page


# Which files are of one measurement


def test_per_layer_file_and_lmms_eval_results_of_one_run_are_one_run(workshop, models):
    for model in models:
        per_layer = workshop.result(model, 2.5)
        results = workshop.lmms_results(
            f"/data/{model}", {"mir_builtin": {"mir": 2.5, "mir_se": 0.01, "mir_pairs": 100}}
        )
        results.rename(per_layer.parent / results.name)
    workshop.report(workshop.results)
    assert workshop.column("model") == [f"/data/{model}" for model in models]
    assert workshop.column("runs") == ["1"] * 5


def test_perplexity_measured_on_a_checkpoint_is_a_number_of_that_checkpoint(workshop):
    workshop.lmms_results(
        "m",
        {
            "mir_builtin": {"mir": 2.5, "mir_pairs": 100},
            "mir_caption_ppl_builtin": {"caption_ppl": 12.5, "caption_pairs": 100},
        },
    )
    workshop.report(workshop.results)
    assert workshop.column("caption_ppl") == ["12.5"]


def save_three_seeds(workshop, model, mir):
    """Per-layer files of three choices of 100 pairs, MIR a hundredth apart."""
    for seed in range(3):
        protocol = {"seed": seed, "pair_ids": [f"{seed}-{n}" for n in range(100)]}
        workshop.result(model, mir + seed / 100, f"seed{seed}", protocol, standard_error=0.02)


def test_seeds_are_averaged(workshop):
    save_three_seeds(workshop, "a", 2.0)
    save_three_seeds(workshop, "b", 2.5)
    workshop.report(workshop.results)
    assert [float(mir) for mir in workshop.column("mir")] == pytest.approx([2.01, 2.51])
    assert workshop.column("runs") == ["3", "3"]
    assert float(workshop.leaderboard[0]["standard_error"]) == pytest.approx(0.02)


def test_another_number_of_pairs_is_kept_apart(workshop):
    save_three_seeds(workshop, "a", 2.0)
    few = {"pair_ids": [f"0-{n}" for n in range(10)]}
    workshop.result("a", 2.4, "few", few, pairs=10)
    workshop.report(workshop.results)
    assert [float(mir) for mir in workshop.column("mir")] == pytest.approx([2.01])
    assert workshop.column("pairs") == ["100"]


def test_models_are_compared_by_the_number_of_pairs_that_most_have(workshop):
    few = {"pair_ids": [f"0-{n}" for n in range(10)]}
    for model, mir in (("a", 2.4), ("b", 2.6), ("c", 2.8)):
        workshop.result(model, mir, "few", few, pairs=10)
    workshop.result("a", 2.0, "many")
    workshop.report(workshop.results)
    assert [float(mir) for mir in workshop.column("mir")] == [2.4, 2.6, 2.8]
    assert workshop.column("pairs") == ["10"] * 3


def test_own_outputs_are_not_read_again(workshop, falling):
    table = workshop.table(falling(4))
    workshop.output = table.parent
    for _ in range(2):
        workshop.report(table.parent)
        assert workshop.regression.groups[0].n == 4


# What the page shows


def test_names_are_escaped(workshop, falling):
    names = [f"<script>alert({i})</script>|$x$" for i in range(4)]
    workshop.report(workshop.table(falling(4, model=names)))
    assert "<script>alert" not in workshop.page
    assert "&lt;script&gt;alert(3)" in workshop.page
    assert "<script>" not in workshop.markdown


def test_whatever_a_table_holds_is_escaped(workshop, falling):
    rows = falling(4, group=["<img src=x>"] * 4, **{"<i>gqa</i>": range(4)})
    workshop.report(workshop.table(rows))
    assert "&lt;img src=x&gt;" in workshop.page and "&lt;i&gt;gqa&lt;/i&gt;" in workshop.page
    for written in (workshop.page, workshop.markdown):
        assert "<img src=x" not in written and "<i>gqa" not in written


def test_runs_without_torch_or_lmms_eval(workshop, falling):
    table = workshop.table(falling(3))
    code = (
        "import sys; from mir_task.report.cli import main\n"
        f"assert main([{str(table)!r}, '--output', {str(workshop.output)!r}]) == 0\n"
        "print({'torch', 'transformers', 'lmms_eval', 'datasets'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"


# The decision


def test_choose_prints_the_decision_alone_and_writes_the_report(workshop):
    workshop.five_results()
    ran = workshop.run(workshop.results, "--choose")
    assert ran.status == WRITTEN
    assert ran.output == f"{workshop.regression.decision.sentence}\n"
    assert ran.output.startswith("Choose run-e")
    assert "no scores were given" in ran.errors and "report.html" in ran.errors
    assert workshop.page


def test_that_mir_does_not_tell_is_an_answer_with_status_zero(workshop, falling):
    ran = workshop.run(
        workshop.table(falling(14, gqa=[52, 50, 54, 51, 55, 53, 58, 49, 57, 48, 56, 47, 59, 46])), "--choose"
    )
    assert ran.status == WRITTEN
    assert ran.output.startswith("MIR does not tell here") and ran.output.count("\n") == 1


def test_a_partial_answer_chooses_too_and_says_so_by_its_status(workshop, falling):
    table = workshop.table(falling(4))
    (workshop.folder / "broken_mir_mir_builtin.json").write_text("{")
    ran = workshop.run(table, workshop.folder / "broken_mir_mir_builtin.json", "--choose")
    assert ran.status == INCOMPLETE and ran.output.count("\n") == 1


def test_a_name_with_a_line_break_does_not_break_the_line(workshop):
    rows = [{"model": f"a\nb{i}", "mir": 2 + i, "mir_se": 0.1} for i in range(3)]
    ran = workshop.run(workshop.table(rows), "--choose")
    assert ran.output.startswith("Choose a b0,") and ran.output.count("\n") == 1


def test_the_decision_is_the_first_line_of_every_output(workshop, falling):
    said = workshop.report(workshop.table(falling(6)))
    sentence = workshop.regression.decision.sentence
    assert said.splitlines()[0] == sentence == workshop.regression.verdict[0]
    assert sentence in workshop.markdown.splitlines()[2]
    assert workshop.regression.decision.recommended == ["m5"]
