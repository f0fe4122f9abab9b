"""Colours that are drawn together, as readers with and without colour blindness see them."""

from itertools import combinations

import pytest

from mir_task.report.figures.style import DARK_SERIES, MARKERS, SERIES, marker

coloraide = pytest.importorskip("coloraide", reason="coloraide is not installed")

LEAST = 20
"""CIEDE2000; 2 is what an eye can just tell side by side, 10 what it tells at a glance."""
PALETTES = {"light": (SERIES, "#ffffff"), "dark": (DARK_SERIES, "#15181b")}
SIGHT = {
    "normal": lambda colour: colour,
    "deuteranopia": lambda colour: colour.filter("deutan", 1, method="machado"),
    "protanopia": lambda colour: colour.filter("protan", 1, method="machado"),
}


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("page", PALETTES)
def test_any_two_colours_of_a_chart_are_far_apart(page, sight):
    seen = [SIGHT[sight](coloraide.Color(colour)).clip() for colour in PALETTES[page][0]]
    assert min(a.delta_e(b, method="2000") for a, b in combinations(seen, 2)) > LEAST


@pytest.mark.parametrize("page", PALETTES)
def test_every_colour_stands_out_from_the_paper(page):
    colours, paper = PALETTES[page]
    assert min(coloraide.Color(c).contrast(paper, method="wcag21") for c in colours) >= 3


def test_series_of_one_colour_have_different_markers():
    looks = {(index % len(SERIES), marker(index)) for index in range(len(SERIES) * len(MARKERS))}
    assert len(looks) == len(SERIES) * len(MARKERS)


def test_light_and_dark_have_a_colour_for_each_series():
    assert len(SERIES) == len(DARK_SERIES)
