"""How every figure looks, and how one becomes SVG for a page in light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

INK = "#1c2024"
MUTED = "#6a7178"
HAIRLINE = "#d5d9dd"
PAPER = "#ffffff"
SERIES = ("#2936b7", "#864e18", "#34a08e", "#ad74ff", "#b18e15", "#65223b")
DARK_SERIES = ("#2773ee", "#b16512", "#78fad1", "#dfb9fc", "#fab72a", "#b1667e")
"""Found by search for the largest CIEDE2000 distance between any two, by normal sight and without red or green cones
(Machado 2009), at a contrast of at least 3 with the paper."""
MARKERS = ("o", "s", "^", "D", "v", "P")
"""Shapes by matplotlib's names; the page's script has the same in the same order."""
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    HAIRLINE: "var(--hairline)",
    PAPER: "var(--paper)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)},
}
PANEL = (3.7, 3.0)
"""Inches; the page shows a panel 340 to 420 pixels wide."""
FONT_SIZE = 9.0

_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.size": FONT_SIZE,
    "text.color": INK,
    "text.parse_math": False,  # a model may have dollars in its name
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": FONT_SIZE,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.titlesize": FONT_SIZE + 0.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": FONT_SIZE - 0.5,
    "ytick.labelsize": FONT_SIZE - 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": FONT_SIZE - 0.5,
    "figure.facecolor": PAPER,
    "svg.fonttype": "none",  # text stays text: it takes the page's font and can be searched
    "svg.hashsalt": "mir-report",  # the same figure gives the same file
}


@dataclass(frozen=True)
class Drawing:
    """A finished figure."""

    name: str
    """Name of its files, and of its place in the page."""
    caption: str
    """What it shows, also for readers who cannot see it."""
    svg: str
    png: bytes | None = None

    @property
    def inline(self) -> str:
        """The SVG as part of a page: ids of its own, the page's colours and font, any width."""
        svg = self.svg[self.svg.index("<svg") :]
        svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
        svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
        svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
        svg = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{self.name}-", svg)
        svg = re.sub(r"(font: [^;\"]*?[\d.]+px) [^;\"]*", r"\1 var(--sans)", svg)
        svg = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", svg)
        for colour, variable in VARIABLES.items():
            svg = svg.replace(colour, variable)
        return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


@contextmanager
def panel(size: tuple[float, float] = PANEL) -> Iterator[tuple[Figure, Any]]:
    """A figure with one set of axes, in the report's style."""
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=size, layout="constrained")
        yield figure, figure.add_subplot()


@contextmanager
def panels(count: int, size: tuple[float, float]) -> Iterator[tuple[Figure, list[Any]]]:
    """A figure with several sets of axes side by side, in the report's style."""
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=size, layout="constrained")
        yield figure, list(figure.subplots(1, count, squeeze=False)[0])


def drawn(figure: Figure, name: str, caption: str, png: bool = False) -> Drawing:
    """Save a figure as text and, if asked for, as pixels; call it inside :func:`panel`'s block."""
    svg = io.StringIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    bitmap = io.BytesIO()
    if png:
        figure.savefig(bitmap, format="png", dpi=200)
    return Drawing(name, caption, svg.getvalue(), bitmap.getvalue() if png else None)


def colour(index: int) -> str:
    """Colour of a series; after the last comes the first again."""
    return SERIES[index % len(SERIES)]


def marker(index: int) -> int:
    """Shape of a series: shifted at each round of the colours, so that 36 series look different."""
    return (index + index // len(SERIES)) % len(MARKERS)


def slug(*parts: str) -> str:
    """A file name and id from names of groups and benchmarks."""
    text = "-".join(parts).lower()
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")[:60].rstrip("-") or "figure"
