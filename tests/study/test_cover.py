"""The README's picture is drawn from the results that are kept with the code."""

import math
import re

import numpy as np
import pytest

from mir_task.study import cover
from tests.conftest import REPOSITORY

RESULTS = REPOSITORY / "results"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    assert cover.main(["--results", str(RESULTS), "--output", str(folder)]) == 0
    return {name: (folder / f"{name}.svg").read_text() for name in ("mir-light", "mir-dark")}


def curves(svg):
    """The points of every line in the picture, in points of print."""
    paths = re.findall(r'<path d="(M [^"z]*)" clip-path', svg)
    return [np.array(re.findall(r"-?[\d.]+", path), dtype=float) for path in paths]


@pytest.mark.parametrize("name", ["mir-light", "mir-dark"])
def test_committed_picture_shows_the_committed_numbers(name, drawn):
    committed = (RESULTS / "figures" / f"{name}.svg").read_text()
    assert len(committed) < 150_000
    old, new = curves(committed), curves(drawn[name])
    assert len(old) == len(new) > 4 + 5  # two curves, two floors, five tables; and the grid
    # Another matplotlib may place the axes a little differently.
    assert all(a.shape == b.shape and np.allclose(a, b, atol=3) for a, b in zip(old, new, strict=True)), (
        "run: python -m mir_task.study.cover, and commit results/figures"
    )


def test_dark_picture_has_no_colour_of_the_light_one(drawn):
    assert cover.darkened(drawn["mir-light"]) == drawn["mir-dark"]
    light, dark = (set(re.findall(r"#[0-9a-f]{6}\b", drawn[name])) for name in ("mir-light", "mir-dark"))
    assert len(light) == len(dark) >= 8
    assert light & dark <= {"#000000"}  # of the glyphs' definitions, which is never painted


def test_mir_that_is_written_is_the_sum_of_the_layers_that_are_drawn():
    for model in (cover.WELL, cover.BADLY):
        result = cover.result(RESULTS / "study", model)
        assert math.log10(sum(layer.fid for layer in result.layers)) == pytest.approx(result.mir, abs=1e-9)
        assert all(0 < cover.noise_floor(layer) < layer.fid for layer in result.layers)


def test_the_well_integrated_model_is_the_demo():
    source = (REPOSITORY / "mir_task" / "demo" / "trained" / "SOURCE").read_text()
    assert f"run {cover.WELL} of the study" in source
