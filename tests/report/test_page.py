"""The page's scripts, and how it is laid out."""

import base64
import hashlib
import json
import re
from importlib import resources

import pytest

from mir_task.report import live, verdict
from mir_task.report.compare import ONE_GROUP
from mir_task.report.gallery import charts
from mir_task.report.schema import Decision
from mir_task.result import MIRResult
from tests.report import trainer_log

VENDOR = resources.files("mir_task.report") / "vendor"


@pytest.fixture
def charted(monkeypatch):
    """Reports with charts for the script, and no static pictures, which take most of the time."""
    monkeypatch.setattr("mir_task.report.write.gallery", charts)


def island(workshop):
    """What the page's script draws."""
    return json.loads(re.search(r'id="report-data">(.*?)</script>', workshop.page, re.S)[1])


# Scripts


@pytest.mark.parametrize("name", live.VENDORED)
def test_a_vendored_script_is_the_one_that_its_readme_names(name):
    digest = hashlib.sha256((VENDOR / name).read_bytes()).hexdigest()
    (row,) = [line for line in (VENDOR / "README.md").read_text().splitlines() if f"`{name}`" in line]
    assert digest in row
    licence = re.search(r"`(\S+\.LICENSE)`", row)[1]
    assert "MIT License" in (VENDOR / licence).read_text()


def test_no_script_ends_the_element_it_stands_in():
    assert not [text for text in live.scripts() if "</script" in text or "<!--" in text]


def test_the_policy_allows_exactly_the_scripts_of_the_page(workshop, falling, charted):
    workshop.report(workshop.table(falling(4)))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', workshop.page)[1].replace("&#39;", "'")
    written = re.findall(r"<script>(.*?)</script>", workshop.page, re.S)
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in written}
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes and len(hashes) == 3
    assert "default-src 'none'" in policy


def test_the_charts_data_ends_no_script(workshop, falling, charted):
    name = "</script><script>alert(1)</script>"
    workshop.report(workshop.table(falling(4, group=[name] * 4)))
    assert name not in workshop.page
    assert name in {chart["title"] for chart in island(workshop)["charts"].values()}


# Order and contents


def test_sentence_picture_and_reasons_stand_above_the_leaderboard(workshop, falling, charted):
    workshop.report(workshop.table(falling(6)))
    places = [
        workshop.page.index(text) for text in ('class="headline', 'id="fig-answer"', 'class="reasons', "<h2>")
    ]
    assert places == sorted(places)
    assert workshop.page.index("<h2>Leaderboard</h2>") == places[-1]
    assert workshop.markdown.splitlines()[2] == f"**{workshop.regression.decision.sentence}**"


def test_at_most_six_reasons_stand_open(workshop, falling, charted, monkeypatch):
    said = verdict.Verdict(
        "Headline.", [f"Reason {i}." for i in range(6)], [f"Reason {i}." for i in range(6, 9)]
    )
    monkeypatch.setattr("mir_task.report.analysis.verdict", lambda *_, **__: said)
    workshop.report(workshop.table(falling(4)))
    before = workshop.page.split("<summary>More on this answer")[0]
    assert "Reason 5." in before and "Reason 6." not in before and "Reason 8." in workshop.page


@pytest.fixture
def recommending(monkeypatch):
    """Reports that recommend the model m3 in the given group."""

    def recommend(group):
        decision = Decision(sentence="Fine-tune m3.", kind="one", recommended=["m3"], choices={group: ["m3"]})
        monkeypatch.setattr("mir_task.report.analysis.decide", lambda *_, **__: decision)

    return recommend


def marked(workshop):
    """Names in the rows that the leaderboard marks, with the group's number."""
    row = (
        r'data-group="(\d)" class="chosen">\s*<th[^>]*>(?:<svg.*?</svg>)?(\w+) <span class="tag">recommended'
    )
    return re.findall(row, workshop.page)


def ringed(data, chart):
    """Models of a chart that have a ring, with the series' name."""
    return [
        (series["label"], data["models"][point[2]])
        for series in data["charts"][chart]["series"]
        for point in series["points"]
        if len(point) == 6 and point[5]
    ]


def test_the_recommended_model_is_marked_in_table_and_picture(workshop, falling, charted, recommending):
    recommending(ONE_GROUP)
    workshop.report(workshop.table(falling(5)))
    assert marked(workshop) == [("0", "m3")]
    assert [model for _, model in ringed(island(workshop), "answer")] == ["m3"]
    assert [line.count("(recommended)") for line in workshop.markdown.splitlines() if "| m3" in line] == [1]


def test_a_model_of_two_groups_is_marked_in_the_group_that_recommends_it(
    workshop, falling, charted, recommending
):
    recommending("b")
    rows = [{**row, "group": group} for group in "ab" for row in falling(5)]
    workshop.report(workshop.table(rows))
    assert marked(workshop) == [("1", "m3")]
    assert ringed(island(workshop), "answer") == [("b", "m3")]
    recommended = [line for line in workshop.markdown.splitlines() if "(recommended)" in line]
    assert [line.startswith("| b | ") and "| m3 (recommended) |" in line for line in recommended] == [True]


def test_without_scores_the_ring_is_of_the_recommending_group_too(workshop, charted, recommending):
    recommending("b")
    workshop.report(
        workshop.table([{"model": f"m{i}", "mir": 3 - i / 10, "group": g} for g in "ab" for i in range(4)])
    )
    data = island(workshop)
    places = [
        point[1] for s in data["charts"]["answer"]["series"] for point in s["points"] if len(point) == 6
    ]
    assert [data["charts"]["answer"]["y"]["rows"][int(place)] for place in places] == ["b: m3"]


def test_without_scores_the_picture_is_mir_with_its_95_per_cent_interval(workshop, charted):
    workshop.five_results()
    workshop.report(workshop.results)
    answer = island(workshop)["charts"]["answer"]
    assert answer["y"]["rows"] == ["run-e", "run-d", "run-c", "run-b", "run-a"]
    x, _, _, (low, high) = answer["series"][0]["points"][0][:4]
    # Student's t of the ten groups of pairs behind a standard error: 2.26216.
    assert (x, low, high) == pytest.approx((2.2, 2.2 - 2.26216 * 0.05, 2.2 + 2.26216 * 0.05), abs=1e-4)
    assert "bars are 95% intervals over other pairs." in workshop.page


def test_with_several_groups_the_picture_is_of_differences_from_each_groups_mean(workshop, falling, charted):
    rows = [
        {**row, "group": group, "model": f"{group}{i}"} for group in "ab" for i, row in enumerate(falling(4))
    ]
    for row in rows[4:]:
        row["gqa"] += 20
    workshop.report(workshop.table(rows))
    first, second = island(workshop)["charts"]["answer"]["series"]
    assert [point[:2] for point in first["points"]] == [point[:2] for point in second["points"]]
    assert [point[1] for point in first["points"]] == [1.5, 0.5, -0.5, -1.5]


def test_a_groups_picture_has_mir_across_and_the_average_up(workshop, falling, charted):
    workshop.report(workshop.table(falling(4, pope=[90, 92, 91, 93])))
    charts = island(workshop)["charts"]
    panel = next(chart for name, chart in charts.items() if name.startswith("average-0"))
    assert [point[:2] for point in panel["series"][-1]["points"]] == [
        [2.7, 73],
        [2.8, 71.5],
        [2.9, 71.5],
        [3, 70],
    ]
    assert (panel["x"]["label"], panel["y"]["label"]) == ("MIR (lower is better)", "average of 2 benchmarks")


def test_a_cell_of_the_leaderboard_sorts_by_the_number_that_it_shows(workshop, falling, charted):
    fractions = [0.5001, 0.5002, 0.5013]
    workshop.report(workshop.table(falling(3, pope=[80.04, 81.16, 82], mme=[812, 1013, 1500], f1=fractions)))
    cells = re.findall(r'<td class="num[^"]*" data-order="([^"]+)">([^<]+)</td>', workshop.page)
    assert len(cells) >= 3 * 6
    for order, shown in cells:
        number = float(shown.split("–")[0].replace("\u2212", "-"))  # noqa: RUF001
        assert abs(float(order) - number) <= 0.5
        if "." in shown:
            assert float(order) == pytest.approx(number, abs=0.51 * 10 ** -len(shown.split(".")[1]))
    shown = [text for _, text in cells]
    assert {"0.500", "0.501"} <= set(shown) and {"81.2"} <= set(shown) and "1013" in shown


def test_the_leaderboard_shows_benchmarks_steps_and_baselines(workshop, falling, charted):
    workshop.report(workshop.table(falling(3, pope=[80, 81, 82], step=[100, 200, 300], loss=[3, 2, 1])))
    heads = re.findall(r"<th scope=\"col\"[^>]*>([^<]+)</th>", workshop.page.split("</thead>")[0])
    assert {"gqa", "pope", "step", "loss"} <= set(heads)
    header = workshop.markdown.split("## Leaderboard")[1].split("\n|")[1]
    assert all(f" {name} |" in header for name in ("gqa", "pope", "step", "loss"))


def test_all_baselines_share_one_chart(workshop, falling, charted):
    workshop.report(workshop.table(falling(5, loss=[2.0, 1.9, 2.2, 1.7, 1.6], perplexity=[5, 4, 3, 2, 1])))
    chart = island(workshop)["charts"]["baselines"]
    assert chart["y"]["rows"] == ["loss", "perplexity"]
    shares = {series["label"]: [point[0] for point in series["points"]] for series in chart["series"]}
    assert shares == {"baseline": [0.8, 1.0], "MIR on the same models": [1.0, 1.0]}


def predictors(workshop):
    """First column of the baselines' table, on the page and in report.md."""
    table = re.search(r'aria-label="Baselines".*?</table>', workshop.page, re.S)[0]
    rows = workshop.markdown.split("## MIR beside other predictors")[1].split("\n\n")[1].splitlines()[2:]
    in_page = re.findall(r'<th scope="row">(\w+)', table)
    assert [row.split()[1].lower() for row in rows] == [name.lower() for name in in_page]
    return in_page


def test_mir_stands_once_below_the_baselines_of_the_same_models(workshop, falling, charted):
    loss, perplexity = [2.0, 1.9, 2.2, 1.7, 1.6], [5, 4, 3, 2, 1]
    workshop.report(workshop.table(falling(5, loss=loss, perplexity=perplexity)))
    assert predictors(workshop) == ["loss", "perplexity", "MIR"]
    workshop.report(workshop.table(falling(5, loss=["", *loss[1:]], perplexity=perplexity)))
    assert predictors(workshop) == ["loss", "MIR", "perplexity", "MIR"]


def test_the_share_of_pairs_in_order_is_of_all_groups_together(workshop, falling, charted):
    # In a, loss puts one of three pairs in order, in b five of six; MIR all of nine.
    loss = {"a": [1, 3, 2], "b": [4, 3, 1, 2]}
    rows = [
        {**row, "model": f"{g}{i}", "group": g, "loss": loss[g][i], "gqa": 50 + i * i}
        for g in "ab"
        for i, row in enumerate(falling(len(loss[g])))
    ]
    workshop.report(workshop.table(rows))
    series = {s["label"]: s["points"] for s in island(workshop)["charts"]["baselines"]["series"]}
    assert [point[0] for point in series["baseline"]] == [pytest.approx(6 / 9, abs=1e-5)]
    assert [point[0] for point in series["baseline, each group"]] == pytest.approx([1 / 3, 5 / 6], abs=1e-5)
    assert [point[0] for point in series["MIR on the same models"]] == [1.0]


def test_a_model_of_two_groups_is_one_model(workshop, falling, charted):
    workshop.report(workshop.table([{**row, "group": group} for group in "ab" for row in falling(5)]))
    assert "5 models in 2 groups" in workshop.page


def test_a_caption_says_the_number_of_models_once(workshop, falling, charted):
    rows = [
        {**row, "model": f"{g}{i}", "group": g} for g in "ab" for i, row in enumerate(falling(2 + (g == "b")))
    ]
    workshop.run(workshop.table(rows))
    captions = {chart["title"]: chart["caption"] for chart in island(workshop)["charts"].values()}
    assert captions["a"] == "2 models: too few for a correlation."
    assert captions["b"].count("3 models") == 1 and "Pearson r" in captions["b"]


def test_a_row_of_the_picture_ends_in_the_models_name(workshop, charted):
    rows = [{"model": f"m{i}", "group": f"group {i}", "mir": 3 - i / 10} for i in range(3)]
    workshop.report(workshop.table(rows))
    assert island(workshop)["charts"]["answer"]["y"]["rows"] == ["group 2: m2", "group 1: m1", "group 0: m0"]


def test_a_number_that_is_minus_infinity_sorts_as_such(workshop, charted):
    # Of vision rows that are as text rows in all but their norms, nothing is left when norms are matched.
    workshop.result("a", 2.5)
    file = workshop.result("b", 2.6)
    value = json.loads(file.read_text())
    for layer in value["layers"]:
        layer["fid_norm_matched"] = 0.0
    file.write_text(json.dumps(value))
    workshop.report(workshop.results)
    assert 'data-order="-Infinity"' in workshop.page and 'data-order="-inf"' not in workshop.page


def test_files_whose_numbers_are_not_taken_are_counted_apart(workshop, charted):
    run = workshop.folder / "run"
    trainer_log.train(run, (1.0, 1.2, 1.4))
    workshop.report(run)
    listed = re.search(r"<summary>(\d+ files read; [^<]*)</summary>(.*?)</details>", workshop.page, re.S)
    assert listed[1] == "3 files read; the numbers are from 1" and listed[2].count("<li>") == 1


def test_a_line_over_training_joins_checkpoints_of_one_seed_in_the_groups_colour(workshop, charted):
    rows = [
        {
            "model": f"{group}-step{step}_s{seed}",
            "group": group,
            "mir": 3 - step / 1000 + seed / 50,
            "step": step,
        }
        | {"gqa": 50 + step / 100 + seed}
        for group in "ab"
        for seed in (0, 1)
        for step in (100, 200, 300)
    ]
    workshop.report(workshop.table(rows))
    lines = island(workshop)["charts"]["mir-by-step"]["series"]
    assert [(line["paint"], line["line"], len(line["points"])) for line in lines] == [
        (0, "solid", 3),
        (0, "solid", 3),
        (1, "solid", 3),
        (1, "solid", 3),
    ]


def test_checkpoints_of_one_step_whose_seed_is_not_known_are_not_joined(workshop, charted):
    rows = [
        {"model": f"m{i}", "mir": 3 - i / 10, "step": 100 + i // 2 * 100, "gqa": 50 + i} for i in range(6)
    ]
    workshop.report(workshop.table(rows))
    (series,) = island(workshop)["charts"]["mir-by-step"]["series"]
    assert "line" not in series and len(series["points"]) == 6


def test_layers_of_all_models_stand_above_their_noise_floors(workshop, charted):
    workshop.five_results()
    workshop.report(workshop.results)
    (floor,) = island(workshop)["charts"]["distance"]["bands"]
    result = MIRResult.load(next(workshop.results.rglob("*.json")))  # the others have the same layers
    floors = [(layer.noise_floor_vision, layer.noise_floor_text) for layer in result.layers]
    assert [point[1:] for point in floor["points"]] == [
        pytest.approx([min(pair), max(pair)], rel=1e-5) for pair in floors
    ]


def test_many_groups_have_no_legend_and_no_colours_of_their_own(workshop, charted):
    rows = [
        {"model": f"m{g}-{i}", "group": f"g{g}", "mir": 3 - i / 10 + g / 77, "gqa": 50 + i + g}
        for g in range(20)
        for i in range(3)
    ]
    workshop.report(workshop.table(rows))
    data = island(workshop)["charts"]
    for name in ("answer", "pooled"):
        assert "legend" not in data[name] and all("paint" not in series for series in data[name]["series"])
