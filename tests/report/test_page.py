"""The page's scripts, and how it is laid out."""

import base64
import hashlib
import json
import re
from importlib import resources

import pytest

from mir_task.report import live, verdict
from mir_task.report.gallery import charts
from mir_task.report.schema import Decision
from mir_task.result import MIRResult

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
    """Reports that recommend the model m3."""
    decision = Decision(sentence="Fine-tune m3.", kind="one", recommended=["m3"])
    monkeypatch.setattr("mir_task.report.analysis.decide", lambda *_, **__: decision)


def test_the_recommended_model_is_marked_in_table_and_picture(workshop, falling, charted, recommending):
    workshop.report(workshop.table(falling(5)))
    assert re.findall(r'class="chosen">\s*<th[^>]*>(\w+) <span class="tag">recommended', workshop.page) == [
        "m3"
    ]
    data = island(workshop)
    assert [data["models"][key] for key in data["charts"]["answer"]["marked"]] == ["m3"]
    assert "| m3 (recommended) |" in workshop.markdown


def test_without_scores_the_picture_is_mir_with_its_95_per_cent_interval(workshop, charted):
    workshop.five_results()
    workshop.report(workshop.results)
    answer = island(workshop)["charts"]["answer"]
    assert answer["y"]["rows"] == ["run-e", "run-d", "run-c", "run-b", "run-a"]
    x, _, _, (low, high) = answer["series"][0]["points"][0]
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
