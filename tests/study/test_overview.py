"""The page on all evidence shows published results, and nothing else."""

import pandas as pd
import pytest

from mir_task.study import overview
from mir_task.study.pictures import order, rule
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


def test_the_picture_of_the_rule_counts_pairs_as_the_table_does():
    drawing = rule({"a": Confusion(31, 17, 3, 48)})
    assert "31 of 48 in order" in drawing.svg and "3 of 51 in order" in drawing.svg
    assert "a: read" in drawing.svg and "a: not read" in drawing.svg


def test_the_picture_of_the_order_names_each_study_and_each_measure():
    regression = overview.read_regression(RESULTS / "study")
    drawing = order({"a": regression, "b": overview.read_regression(RESULTS / "paper")})
    for name in ("a: MIR", "b: MIR", "training loss", "caption perplexity", "longest training"):
        assert f">{name}<" in drawing.svg
