"""Figures of per-layer files, training steps and baselines."""

import json
import re

import pytest

from mir_task.metrics import LAYER_METRICS, Curve, LayerMetric
from mir_task.report import gallery
from mir_task.report.figures.style import slug


def figures(workshop):
    """Names of the figures' files."""
    return {file.stem for file in (workshop.output / "figures").glob("*.svg")}


@pytest.fixture(scope="module")
def drawn(new_workshop):
    """A report of four models with layers, scores, a baseline and training steps; names full of markup."""
    workshop, names = new_workshop(), [f"ckpt/$m{i}$ <b>" for i in range(4)]
    for i, name in enumerate(names):
        workshop.result(name, 2.5 - i / 10, standard_error=0.02)
    table = workshop.table(
        [
            {
                "model": name,
                "step": 100 * i + 100,
                "loss": 2 - i / 9 + i % 2,
                "gqa": 50 + i,
                "pope": 80 - i % 2,
            }
            for i, name in enumerate(names)
        ]
    )
    workshop.report(workshop.results, "--scores", table)
    return workshop


def test_every_kind_of_figure_is_drawn(drawn):
    kinds = {re.sub(r"-?\d.*", "", name) for name in figures(drawn)}
    assert kinds == {"answer", "benchmark", "baselines", "distance", "norm-ratio", "layers-m", "mir-by-step"}
    assert drawn.page.count('<div class="still"><svg') == len(figures(drawn))


def test_names_in_figures_are_neither_markup_nor_formulas(drawn):
    assert "<b>" not in drawn.page and "$m0$ &lt;b&gt;" in drawn.page


def test_figures_share_no_ids_and_follow_the_readers_colours(drawn):
    ids = re.findall(r'\bid="([^"]+)"', re.sub(r"<script>.*?</script>", "", drawn.page, flags=re.S))
    assert len(ids) == len(set(ids))
    svgs = "".join(re.findall(r"<svg.*?</svg>", drawn.page, re.S))
    assert set(re.findall(r"#[0-9a-f]{6}\b", svgs)) <= {"#000000"}


def test_the_distance_of_a_single_model_is_drawn_with_its_terms_only(workshop):
    workshop.report(workshop.result("m", 2.5))
    assert figures(workshop) == {"norm-ratio", "layers-m-0"}


def test_the_caption_says_which_part_of_the_distance_is_the_mean_term(workshop):
    file = workshop.result("m", 2.5)
    value = json.loads(file.read_text())
    for number, layer in enumerate(value["layers"]):
        layer["mean_term"], layer["fid"] = (3.0, 4.0) if number == 0 else (0.0, 1.0)
    file.write_text(json.dumps(value))
    workshop.report(file)
    layers = len(value["layers"])
    assert f"{100 * 3 / (4 + layers - 1):.0f}% of it is the mean term" in workshop.page


def test_a_row_in_the_table_of_metrics_is_all_that_a_figure_takes(workshop, monkeypatch):
    scale = LayerMetric(
        "alpha", "The scale of eq. 2.", read=lambda layer: layer.alpha, curve=Curve("Scale", axis="alpha")
    )
    monkeypatch.setattr(gallery, "LAYER_METRICS", (*LAYER_METRICS, scale))
    workshop.report(workshop.result("m", 2.5))
    assert figures(workshop) == {"norm-ratio", "scale", "layers-m-0"}
    assert "<figcaption>The scale of eq. 2.</figcaption>" in workshop.page


def test_a_number_that_no_layer_has_is_not_drawn(workshop, monkeypatch):
    unknown = LayerMetric("unknown", "Nothing.", read=lambda layer: None, curve=Curve("Unknown", axis="?"))
    monkeypatch.setattr(gallery, "LAYER_METRICS", (unknown,))
    workshop.report(workshop.result("m", 2.5))
    assert figures(workshop) == {"layers-m-0"}


def test_layers_above_their_noise_floor_are_not_named(drawn):
    assert "At or below a noise floor" not in drawn.page


def test_layers_below_their_noise_floor_are_named(workshop):
    path = workshop.result("m", 2.5)
    text = path.read_text().replace('"noise_floor_text": 0.1', '"noise_floor_text": 1e6', 2)
    path.write_text(text)
    workshop.report(path)
    assert "At or below a noise floor, so no more than noise: layers 1, 2." in workshop.page
    assert "One model, so there is nothing to choose: the MIR of m is 2.500 ± 0.010." in workshop.page


def test_file_names_are_plain_letters_whatever_a_group_is_called():
    assert slug("Table 1: a/b", "../é") == "table-1-a-b"
    assert slug("日本") == "figure"
