"""The page on all evidence shows published results, and nothing else."""

import pandas as pd
import pytest

from mir_task.study import overview, pictures
from mir_task.study.pictures import order, rule, turn
from mir_task.study.readable import Confusion
from tests.conftest import REPOSITORY

RESULTS = REPOSITORY / "results"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("overview")
    assert overview.main(["--results", str(RESULTS), "--output", str(folder)]) == 0
    return folder


def test_committed_page_is_what_the_published_results_say(written):
    committed = (RESULTS / "study" / "README.md").read_text()
    assert (written / "study" / "README.md").read_text() == committed, (
        "run: python -m mir_task.study.overview, and commit results"
    )


def test_page_is_read_in_five_minutes_and_has_three_pictures(written):
    page = (written / "study" / "README.md").read_text()
    assert len(page.split()) < 5 * 200
    pictures = sorted(file.stem for file in (written / "figures").iterdir())
    assert pictures == ["order", "rule", "turn"] and page.count("![") == 3


def test_a_study_that_is_not_published_is_left_out(tmp_path):
    for room in ("paper", "study"):
        (tmp_path / "in" / room).mkdir(parents=True)
        for name in ("regression.json", "models.csv"):
            file = RESULTS / room / name
            if file.exists():
                (tmp_path / "in" / room / name).write_bytes(file.read_bytes())
    assert overview.main(["--results", str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    assert "smollm2" not in (tmp_path / "out" / "study" / "README.md").read_text()


def test_a_second_study_has_its_row_and_its_courses():
    million = overview.read_study(RESULTS / "study")
    trunk = {"seed": 0, "samples": 96, "mir": 1.2}
    frozen_recipe, lora_recipe = "data-8_schedule-wsd", "data-2_schedule-wsd_unlocked-lora"
    along = pd.DataFrame([{"trunk": frozen_recipe, **trunk}, {"trunk": lora_recipe, **trunk}])
    models = million.models[million.models["recipe"] == "data-4"].assign(recipe=frozen_recipe)
    lora = models.assign(group="data scale, LoRA", recipe=lora_recipe)
    second = million._replace(models=pd.concat([models, lora]), along=along)
    frozen, unlocked = overview.courses("SmolLM2", second)
    assert (frozen.title, unlocked.title) == ("SmolLM2", "SmolLM2, LoRA")
    assert frozen.along["trunk"].tolist() == [frozen_recipe]
    assert unlocked.along["trunk"].tolist() == [lora_recipe]
    page = overview.text(million.regression, {"study": million, "smollm2": second})
    assert "| [SmolLM2, 135 million weights](../smollm2/tables.md) | 3 | 2 | 26 of 79 |" in page
    own = second.scale.iloc[-1]
    assert f"to {own['mir']:.2f} at 25,600 pairs\nseen" in page
    assert f" to {100 * own['average']:.0f}.\nWhere it rises" in page


def test_frozen_and_lora_are_compared_at_equal_data_alone():
    columns = ["group", "note", "mir", "average", "samples"]
    rows = [
        ("data scale", "1", 1.2, 0.5, 16),  # lower, and better
        ("data scale, LoRA", "1", 1.3, 0.4, 16),
        ("data scale", "2", 1.4, 0.6, 32),  # higher, and better
        ("data scale, LoRA", "2", 1.3, 0.5, 32),
        ("data scale", "4", 1.5, 0.9, 64),
    ]
    models = pd.DataFrame(rows, columns=columns)
    study = overview.read_study(RESULTS / "study")._replace(models=models)
    assert study.unlocked_in_order == (1, 2)
    assert study.scale["samples"].tolist() == [16, 32, 64]


def test_the_picture_of_the_rule_counts_pairs_as_the_table_does():
    drawing = rule({"a": Confusion(31, 17, 3, 48)})
    assert "31 of 48 in order" in drawing.svg and "3 of 51 in order" in drawing.svg
    assert "a: read" in drawing.svg and "a: not read" in drawing.svg


@pytest.fixture
def axes_of(monkeypatch):
    """Draws a picture and gives its axes."""
    monkeypatch.setattr(pictures, "drawn", lambda figure, name, caption, png: figure)
    return lambda draw, given: draw(given).axes


def test_the_picture_of_the_order_has_each_measures_share_under_its_name(axes_of):
    million = overview.read_regression(RESULTS / "study")
    (axes,) = axes_of(order, {"paper": overview.read_regression(RESULTS / "paper"), "ours": million})
    names = dict(zip(axes.get_yticks(), [label.get_text() for label in axes.get_yticklabels()], strict=True))
    points = {names[line.get_ydata()[0]]: line for line in axes.lines if line.get_marker() == "o"}
    shown = {name: float(line.get_xdata()[0]) for name, line in points.items()}
    assert shown["paper: MIR"] == 100
    assert shown["ours: MIR"] == pytest.approx(100 * 26 / 79)  # as in the table
    assert shown["longest training"] == pytest.approx(100 * million.against[-1].baseline_share)
    assert len(shown) == 2 + len(million.against)


def test_the_picture_of_the_turn_has_a_line_for_each_seed_and_the_mean_score(axes_of):
    left, right = axes_of(turn, overview.courses("ours", overview.read_study(RESULTS / "study")))
    models = pd.read_csv(RESULTS / "study" / "models.csv")
    models = models[models["group"] == "data scale"]
    assert len(left.lines) == 3
    for seed, line in enumerate(left.lines):
        own = models[models["seed"] == seed].sort_values("samples")
        assert (
            list(line.get_ydata()) == own["mir"].tolist()
            and list(line.get_xdata()) == own["samples"].tolist()
        )
    (score,) = right.lines
    assert score.get_ydata()[-1] == pytest.approx(100 * models[models["note"] == "4"]["average"].mean())
