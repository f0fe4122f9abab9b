"""From files to the report, by the command line."""

import csv
import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("undrawn")

MODELS = ("run-a", "run-b", "run-c", "run-d", "run-e")


def measured(workshop, step=0.2, **changes):
    for index, model in enumerate(MODELS):
        workshop.result(f"ckpt/{model}", 3 - step * index, standard_error=0.05, **changes)


def scores(models=MODELS):
    return [{"model": model, "gqa": 50 + i, "mme": 1400 + 30 * i} for i, model in enumerate(models)]


def test_leaderboard_without_scores(workshop):
    measured(workshop)
    status, out, _ = workshop.run(workshop.folder / "results")
    assert status == 0
    assert out.startswith("run-e has the lowest MIR.")
    assert "no scores were given" in out
    assert workshop.regression.groups == []
    rows = list(csv.DictReader((workshop.output / "leaderboard.csv").open()))
    assert [row["model"] for row in rows] == [f"ckpt/{model}" for model in reversed(MODELS)]
    assert [row["rank"] for row in rows] == list("12345")


def test_differences_below_standard_error_are_ties(workshop):
    measured(workshop, step=0.04)
    _, out, _ = workshop.run(workshop.folder / "results")
    assert out.startswith("run-e and run-d share the lowest MIR within its standard error.")
    rows = list(csv.DictReader((workshop.output / "leaderboard.csv").open()))
    assert (rows[0]["rank"], rows[0]["rank_at_worst"]) == ("1", "2")
    assert "1–2" in workshop.page  # noqa: RUF001


def test_scores_from_a_table(workshop):
    measured(workshop)
    status, out, _ = workshop.run(workshop.folder / "results", "--scores", workshop.table(scores()))
    assert status == 0
    (fit,) = workshop.regression.groups
    assert fit.n == 5 and fit.pearson.r == pytest.approx(-1)
    assert fit.over == ["gqa", "mme"]
    # MME counts a twentieth: 50..54 and 70, 71.5 ...
    rows = list(csv.DictReader((workshop.output / "leaderboard.csv").open()))
    assert [float(row["average"]) for row in rows] == [65.0, 63.75, 62.5, 61.25, 60.0]
    assert "choosing the lowest MIR found the best model" in out


def test_scores_from_lmms_eval_by_mapping(workshop):
    measured(workshop)
    for index, model in enumerate(MODELS):
        workshop.harness(f"sft/{model}-sft", {"gqa": {"exact_match": 0.5 + index / 100}}, "sft")
        # What the checkpoint scores before SFT must not be taken for its score after.
        workshop.harness(
            f"ckpt/{model}", {"mme": {"mme_cognition_score": 9, "mme_perception_score": 40 + index}}
        )
    mapping = workshop.table(
        [{"pretrained": f"ckpt/{m}", "finetuned": f"{m}-sft", "group": "recipes"} for m in MODELS], "map.csv"
    )
    folder = workshop.folder
    status, _, _ = workshop.run(folder / "results", "--scores", folder / "sft", "--mapping", mapping)
    assert status == 0
    (fit,) = workshop.regression.groups
    assert (fit.group, fit.n, fit.over) == ("recipes", 5, ["gqa"])
    assert fit.regret.by_chance == pytest.approx(2.0)  # fractions are shown as per cent
    # But it can be asked for as a baseline.
    arguments = ("--scores", folder / "sft", "--mapping", mapping, "--baseline", "mme:higher")
    assert workshop.run(folder / "results", *arguments)[0] == 0
    theirs, ours = workshop.regression.baselines
    assert (theirs.predictor, theirs.better, theirs.ranking_accuracy.value) == ("mme", "higher", 1.0)
    assert ours.predictor == "mir"


def test_per_layer_file_and_results_of_one_run_are_one_run(workshop):
    for model in MODELS:
        path = workshop.result(model, 2.5)
        own = workshop.harness(
            f"/data/{model}",
            {
                "mir_builtin": {"mir": 2.5, "mir_se": 0.01, "mir_pairs": 100},
                "mir_caption_ppl_builtin": {"caption_ppl": 12.5, "caption_pairs": 100},
            },
        )
        own.rename(path.parent / own.name)
    workshop.run(workshop.folder / "results")
    rows = list(csv.DictReader((workshop.output / "leaderboard.csv").open()))
    assert [row["model"] for row in rows] == [f"/data/{model}" for model in MODELS]
    assert {row["runs"] for row in rows} == {"1"}
    assert {row["caption_ppl"] for row in rows} == {"12.5"}


def test_seeds_are_averaged_and_other_numbers_of_pairs_kept_apart(workshop):
    for model, shift in (("a", 0.0), ("b", 0.5)):
        for seed in range(3):
            ids = [f"{seed}-{n}" for n in range(100)]
            protocol = {"seed": seed, "pair_ids": ids}
            workshop.result(
                model, 2.0 + shift + seed / 100, f"seed{seed}", protocol=protocol, standard_error=0.02
            )
        few = {"seed": 0, "pair_ids": [f"0-{n}" for n in range(10)]}
        workshop.result(model, 2.4 + shift, "few", pairs=10, protocol=few)
    assert workshop.run(workshop.folder / "results")[0] == 0
    rows = list(csv.DictReader((workshop.output / "leaderboard.csv").open()))
    assert [float(row["mir"]) for row in rows] == pytest.approx([2.01, 2.51])
    assert [row["runs"] for row in rows] == ["3", "3"]
    assert float(rows[0]["standard_error"]) == pytest.approx(0.02)


def test_baselines_are_judged_on_the_same_models(workshop):
    rows = [
        {"model": f"m{i}", "mir": 3 - i / 10, "loss": [2.0, 1.9, 2.2, 1.7, ""][i], "gqa": 50 + i}
        for i in range(5)
    ]
    assert workshop.run(workshop.table(rows))[0] == 0
    loss, mir = workshop.regression.baselines
    assert (loss.predictor, loss.n, mir.n) == ("loss", 4, 4)
    assert loss.ranking_accuracy.correct == 4 and mir.ranking_accuracy.correct == 6
    assert "On the models that have both, loss ordered 4 of 6 pairs right, MIR 6 of 6 pairs." in workshop.page
    assert workshop.regression.groups[0].n == 5


def test_missing_scores_are_left_out_pair_by_pair_and_counted(workshop):
    rows = [
        {"model": f"m{i}", "mir": 3 - i / 10, "gqa": 50 + i, "pope": "" if i == 2 else 80 + i}
        for i in range(5)
    ]
    workshop.run(workshop.table(rows))
    by_name = {fit.score: fit for fit in workshop.regression.benchmarks}
    assert (by_name["gqa"].n, by_name["gqa"].excluded) == (5, [])
    assert (by_name["pope"].n, by_name["pope"].excluded) == (4, ["m2"])
    assert workshop.regression.groups[0].over == ["gqa"]
    assert "pope not in the average" in workshop.page


def test_names_are_escaped(workshop):
    rows = [{"model": f"<script>alert({i})</script>|$x$", "mir": 3 - i / 10, "gqa": 50 + i} for i in range(4)]
    assert workshop.run(workshop.table(rows))[0] == 0
    assert "<script>alert" not in workshop.page
    assert "&lt;script&gt;alert(3)" in workshop.page
    assert "<script>" not in (workshop.output / "report.md").read_text()


def test_whatever_a_table_holds_is_escaped(workshop):
    rows = [
        {"model": f"m{i}", "group": "<img src=x>", "mir": 3 - i / 10, "<i>gqa</i>": 50 + i} for i in range(4)
    ]
    assert workshop.run(workshop.table(rows))[0] == 0
    assert "&lt;img src=x&gt;" in workshop.page and "&lt;i&gt;gqa&lt;/i&gt;" in workshop.page
    markdown = (workshop.output / "report.md").read_text()
    for written in (workshop.page, markdown):
        assert "<img src=x" not in written and "<i>gqa" not in written


def test_own_outputs_are_not_read_again(workshop):
    table = workshop.table([{"model": f"m{i}", "mir": 3 - i / 10, "gqa": 50 + i} for i in range(4)])
    for _ in range(2):
        workshop.output = table.parent
        assert workshop.run(table.parent)[0] == 0
        assert workshop.regression.groups[0].n == 4


# Errors


def test_no_results(workshop):
    (workshop.folder / "other.json").write_text("{}")
    status, _, error = workshop.run(workshop.folder)
    assert status == 1 and error.startswith("mir-report: no MIR results found: expected per-layer files")
    assert workshop.run(workshop.folder / "nowhere")[2].strip().endswith("nowhere does not exist")
    assert not workshop.output.exists()


def test_unreadable_json_is_named_and_the_others_load(workshop):
    measured(workshop)
    broken = workshop.result("ckpt/broken", 2.0)
    broken.write_text('{\n "mir": 2.0,\n "layers": [\n')
    status, _, error = workshop.run(workshop.folder / "results")
    assert status == 3
    assert f"skipped {broken}: line 4: is not JSON" in error
    assert "line 4: is not JSON" in workshop.page
    assert len(list(csv.DictReader((workshop.output / "leaderboard.csv").open()))) == 5


def test_wrong_field_is_named(workshop):
    measured(workshop)
    path = workshop.result("ckpt/odd", 2.0)
    value = json.loads(path.read_text())
    value["layers"][1]["fid"] = "big"
    path.write_text(json.dumps(value))
    status, _, error = workshop.run(workshop.folder / "results")
    assert status == 3 and "layers.1.fid" in error


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"max_text_tokens": 1024}, {"max_text_tokens": 64}, "differ in max_text_tokens"),
        ({"template_sha256": "a"}, {"template_sha256": "b"}, "differ in chat template"),
        ({"pair_ids": ["a"]}, {"pair_ids": ["b"]}, "differ in pairs"),
        ({"task": "mir"}, {"task": "mir_builtin"}, "choose one with --task"),
    ],
)
def test_one_model_under_two_protocols(workshop, first, second, message):
    workshop.result("m", 2.0, "first", protocol=first)
    workshop.result("m", 2.1, "second", protocol=second)
    status, _, error = workshop.run(workshop.folder / "results")
    assert status == 1 and message in error


def test_results_from_before_orientation_was_recorded_stay_comparable(workshop):
    workshop.result("a", 2.0, protocol={"orientation": None})
    workshop.result("b", 2.1, protocol={"orientation": "exif"})
    assert workshop.run(workshop.folder / "results")[0] == 0


def test_models_of_different_numbers_of_pairs_are_not_compared_unless_told(workshop):
    workshop.result("a", 2.0)
    workshop.result("b", 2.1, pairs=20, protocol={"pair_ids": ["x"]})
    status, _, error = workshop.run(workshop.folder / "results")
    assert status == 1 and "different numbers of pairs" in error and "--allow_mixed_protocols" in error
    assert workshop.run(workshop.folder / "results", "--allow_mixed_protocols")[0] == 0
    assert "Protocols were not checked" in workshop.page


def test_no_overlap_lists_both_sides_and_near_matches(workshop):
    measured(workshop)
    table = workshop.table(scores([f"{model}.v2" for model in MODELS]))
    status, _, error = workshop.run(workshop.folder / "results", "--scores", table)
    assert status == 1
    assert "MIR: ckpt/run-a" in error and "Scores: run-a.v2" in error
    assert "run-a.v2 ~ ckpt/run-a" in error and "--mapping" in error


@pytest.mark.parametrize("what", ["mir", "gqa"])
def test_constant_numbers(workshop, what):
    rows = [{"model": f"m{i}", "mir": 3 - i / 10, "gqa": 50 + i} | {what: 7} for i in range(4)]
    status, _, error = workshop.run(workshop.table(rows))
    assert status == 1 and "is the same for all 4 models" in error


def test_a_constant_group_among_others_is_told(workshop):
    rows = [
        {"model": f"m{i}", "group": group, "mir": 3 - i / 10, "gqa": 50 + i * (group == "a")}
        for group in "ab"
        for i in range(4)
    ]
    status, _, error = workshop.run(workshop.table(rows))
    assert status == 3 and "b: average is the same for all 4 models" in error
    assert workshop.regression.groups[0].pearson and not workshop.regression.groups[1].pearson


def test_contradicting_scores(workshop):
    measured(workshop)
    first, second = workshop.table(scores(), "a.csv"), workshop.table(scores(reversed(MODELS)), "b.csv")
    status, _, error = workshop.run(workshop.folder / "results", "--scores", first, second)
    assert status == 1 and "two scores of 'run-" in error and "remove one" in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,mir\nm,abc\n", "line 2, column 'mir': 'abc' is not a usable number"),
        ("model,mir\nm,nan\nn,inf\n", "line 3, column 'mir': 'inf' is not a usable number"),
        ("model,mir,mir\nm,1,2\n", "line 1: the column 'mir' is there twice"),
        ("model,mir\nm,1,2\n", "line 2: 3 fields, the header has 2"),
        ("mir\n1\n", "line 2: no value in the column 'model'"),
        ("model,mir,mir_se\nm,1,-2\n", "line 2: mir_se is negative"),
    ],
)
def test_bad_tables_name_the_line(workshop, text, message):
    (workshop.folder / "table.csv").write_text(text)
    status, _, error = workshop.run(workshop.folder / "table.csv")
    assert status == 1 and message in error


def averages(over):
    return [
        {
            "model": f"{group}{i}",
            "group": group,
            "mir": 3 - i / 10 + 0.01 * len(group),
            "average": 60 + i,
            "A": 50 + i,
            "B": 70 + i,
            "average_over": over[group],
        }
        for group in over
        for i in range(4)
    ]


def test_averages_over_different_benchmarks_are_never_pooled_silently(workshop):
    table = workshop.table(averages({"g": "A;B", "h": "A"}))
    status, out, _ = workshop.run(table)
    assert status == 0 and "The groups are not pooled" in out and workshop.regression.pooled is None
    status, _, error = workshop.run(table, "--pool", "g", "h")
    assert status == 1 and "cover different benchmarks (g: A, B; h: A)" in error
    assert "--benchmarks common" in error
    assert workshop.run(table, "--benchmarks", "common", "--pool", "g", "h")[0] == 0
    assert workshop.regression.pooled.over == ["A", "B"]


def test_averages_of_one_group_over_different_benchmarks_are_an_error(workshop):
    rows = averages({"g": "A;B"})
    rows[2]["average_over"] = "A"
    status, _, error = workshop.run(workshop.table(rows))
    assert status == 1 and "g: the averages cover different benchmarks" in error and "--benchmarks" in error


def test_runs_without_torch_or_lmms_eval(workshop):
    rows = [{"model": f"m{i}", "mir": 3 - i / 10, "gqa": 50 + i} for i in range(3)]
    table = workshop.table(rows)
    code = (
        "import sys; from mir_task.report.cli import main\n"
        f"assert main([{str(table)!r}, '--output', {str(workshop.output)!r}]) == 0\n"
        "print({'torch', 'transformers', 'lmms_eval', 'datasets'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"
