"""A chart as data: drawn as a static picture by :mod:`.draw`, and by the page's script where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Line = Literal["", "solid", "dashed", "dotted"]


class Point(NamedTuple):
    """One place of a series, with bars where its error is known."""

    x: float
    y: float
    model: str = ""
    """Name of the checkpoint, which is highlighted in every chart at once; empty where the point is of none."""
    across: tuple[float, float] | None = None
    """Ends of the horizontal bar."""
    up: tuple[float, float] | None = None
    """Ends of the vertical bar."""
    ringed: bool = False
    """Whether it is the recommended checkpoint of its group, or one of several."""


@dataclass(frozen=True)
class Series:
    """Points of one kind: same colour, same marker, joined or not."""

    label: str
    points: Sequence[Point]
    paint: int | None
    """Number of the series' colour, which repeats after the last; None: grey."""
    marker: int | None = None
    """Number of the marker's shape; None: no marks."""
    line: Line = ""
    model: str = ""
    """Name of the checkpoint that the whole series is of."""
    hollow: bool = False
    quiet: bool = False
    """A hairline behind the others, and not in the legend."""


@dataclass(frozen=True)
class Band:
    """The area between two curves over the same x."""

    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    paint: int | None
    opacity: float = 0.13
    label: str = ""


@dataclass(frozen=True)
class Axis:
    """What an axis shows."""

    label: str
    log: bool = False
    whole: bool = False
    """Ticks at whole numbers alone."""
    rows: Sequence[str] = ()
    """Names of the places 0, 1, 2 ...; the first is on top."""
    row: float = 1.0
    """Height of a row, against the usual one."""
    limits: tuple[float | None, float | None] = (None, None)
    shares: bool = False
    """Values between 0 and 1 are shown as per cent."""


@dataclass(frozen=True)
class Chart:
    """Everything that a picture shows."""

    name: str
    """Name of its files, and of its place in the page."""
    title: str
    caption: str
    """What it shows, also for readers who cannot see it."""
    x: Axis
    y: Axis
    series: Sequence[Series]
    bands: Sequence[Band] = ()
    guides: Sequence[tuple[Literal["x", "y"], float]] = ()
    """Straight hairlines: across at a value of y, or up at a value of x."""
    legend: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    """What stands beside the points of a model: its name, or a number."""
    key: str = ""
    """What the numbers mean, where names are numbers, which only the static picture has."""
    variants: Mapping[str, Chart] = field(default_factory=dict)
    """The same chart of other scores, for the page's script to change to, by the name of the score."""
    wide: bool = False
    png: bool = False
    """Whether ``report.md`` shows it."""
