"""Companions of MIR in the leaderboard and among the figures."""

import json
import re

import pytest


@pytest.fixture
def with_companions(workshop):
    """A result of two layers whose companions are known, beside one of an older version."""
    workshop.result("old", 2.4)
    path = workshop.result("new", 2.5)
    value = json.loads(path.read_text())
    for number, layer in enumerate(value["layers"][:2], start=1):
        layer |= {"vision_norm_median": 4.0**number, "text_norm_median": 1.0, "image_share": 0.1 * number}
        layer |= {"fid_norm_matched": 50.0, "vision_variance": 2.0, "text_variance": 4.0}
    value["layers"] = value["layers"][:2]
    path.write_text(json.dumps(value))
    return workshop


@pytest.mark.usefixtures("undrawn")
def test_companions_are_columns_of_every_leaderboard_and_empty_where_not_known(with_companions):
    with_companions.report(with_companions.results)
    known = {"norm_ratio": 8.0, "mir_norm_matched": 2.0, "image_share": 0.15}
    for name, number in known.items():
        old, new = with_companions.column(name)
        assert old == "" and float(new) == pytest.approx(number)
    header, _, *rows = re.findall(r"(?m)^\|.*\|$", with_companions.markdown)[:4]
    shown = dict(zip(header.split(" | "), rows[1].split(" | "), strict=True))
    assert (shown["median norm ratio"], shown["MIR, norms matched"], shown["image share"]) == (
        "8.000",
        "2.000",
        "0.150",
    )


@pytest.mark.usefixtures("undrawn")
def test_companions_are_read_from_lmms_evals_own_results_and_are_no_benchmarks(workshop):
    workshop.lmms_results("m", {"mir_builtin": {"mir": 2.5, "norm_ratio": 1.5, "image_share": 0.2}})
    workshop.report(workshop.results)
    assert (workshop.column("norm_ratio"), workshop.column("image_share")) == (["1.5"], ["0.2"])


def test_companions_of_the_layers_have_figures(with_companions):
    with_companions.report(with_companions.results)
    drawn = {file.stem for file in (with_companions.output / "figures").glob("*.svg")}
    assert {"norm-ratio", "variance-ratio", "image-share"} <= drawn
