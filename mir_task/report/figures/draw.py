"""A chart as a static picture, by matplotlib."""

from __future__ import annotations

from itertools import chain
from typing import Any

from adjustText import adjust_text
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, ScalarFormatter

from mir_task.report.figures.chart import Axis, Band, Chart, Series
from mir_task.report.figures.style import (
    FONT_SIZE,
    HAIRLINE,
    INK,
    MARKERS,
    MUTED,
    PANEL,
    Drawing,
    colour,
    drawn,
    panel,
)

ROW = 0.2
"""Inches."""
WIDE = 5.6
CROWD = 150
"""Points of a chart, which are drawn smaller beyond."""
LEGEND = 0.5
"""Inches below the axes."""
LONGEST_TITLE, LONGEST_ROW, LONGEST_LABEL = 42, 26, 30
"""Characters."""
STYLES: dict[str, Any] = {
    "": "none",
    "solid": "-",
    "dashed": (0, (4, 2.5)),
    "dotted": (0, (1, 1.5)),
}


def draw(chart: Chart) -> Drawing:
    """The chart in the report's style, as SVG and, where ``report.md`` shows it, as pixels."""
    width, height = PANEL
    if chart.y.rows:
        height = 1.0 + ROW * chart.y.row * len(chart.y.rows)
    size = WIDE if chart.wide else width, height + LEGEND * chart.legend
    with panel(size) as (figure, axes):
        for direction, place in chart.guides:
            guide = axes.axvline if direction == "x" else axes.axhline
            guide(place, color=HAIRLINE, lw=0.8, zorder=0)
        for band in chart.bands:
            _band(axes, band)
        crowded = sum(len(series.points) for series in chart.series) > CROWD and not chart.y.rows
        for series in chart.series:
            _series(axes, series, crowded)
        _rings(axes, chart)
        _axis(axes, axes.xaxis, chart.x, "x")
        _axis(axes, axes.yaxis, chart.y, "y")
        _title(figure, axes, chart)
        if chart.legend:
            figure.legend(loc="outside lower left", ncols=2, handlelength=1.6, columnspacing=1.2)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it would lay out again at every drawing, most of the time of all
        if chart.names:
            _names(axes, chart)
        return drawn(figure, chart.name, f"{chart.caption} {chart.key}".strip(), chart.png)


def shortened(text: str, longest: int) -> str:
    """The end of a name, which tells checkpoints apart more often than its start."""
    return text if len(text) <= longest else "…" + text[1 - longest :]


def _band(axes: Any, band: Band) -> None:
    axes.fill_between(
        band.x,
        band.low,
        band.high,
        color=_paint(band.paint),
        alpha=band.opacity,
        lw=0,
        label=band.label or None,
    )


def _series(axes: Any, series: Series, crowded: bool) -> None:
    points, paint = series.points, HAIRLINE if series.quiet else _paint(series.paint)
    x, y = [point.x for point in points], [point.y for point in points]
    across = [(point.y, *point.across) for point in points if point.across]
    up = [(point.x, *point.up) for point in points if point.up]
    if across:
        axes.hlines(*zip(*across, strict=True), color=paint, lw=0.9)
    if up:
        axes.vlines(*zip(*up, strict=True), color=paint, lw=0.9)
    axes.plot(
        x,
        y,
        color=paint,
        ls=STYLES[series.line],
        lw=0.6 if series.quiet else 1.2,
        marker=None if series.marker is None else MARKERS[series.marker],
        markersize=3 if crowded else 5,
        markerfacecolor="none" if series.hollow else paint,
        markeredgewidth=1 if series.hollow else 0,
        zorder=1 if series.quiet else 2,
        label=None if series.quiet else shortened(series.label, LONGEST_LABEL) or None,
    )


def _rings(axes: Any, chart: Chart) -> None:
    """A ring around each recommended model."""
    ringed = [point for series in chart.series for point in series.points if point.ringed]
    if ringed:
        axes.plot(
            [point.x for point in ringed],
            [point.y for point in ringed],
            "o",
            markersize=11,
            markerfacecolor="none",
            markeredgecolor=INK,
            markeredgewidth=1.4,
            label="recommended",
            zorder=3,
        )


def _axis(axes: Any, ruler: Any, axis: Axis, direction: str) -> None:
    ruler.set_label_text(axis.label)
    if axis.rows:
        ruler.set_ticks(range(len(axis.rows)), [shortened(row, LONGEST_ROW) for row in axis.rows])
        axes.set_ylim(len(axis.rows) - 0.4, -0.6)
        axes.tick_params(axis=direction, length=0, labelcolor=INK)
    elif axis.log:
        (axes.set_xscale if direction == "x" else axes.set_yscale)("log")
        ruler.set_major_formatter(ScalarFormatter())
        ruler.set_minor_formatter(NullFormatter())
    elif axis.whole:
        ruler.set_major_locator(MaxNLocator(integer=True, nbins=8))
    if axis.shares:
        ruler.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f}%"))
    low, high = axis.limits
    if not axis.rows and not axis.log and direction == "y" and low is None:
        axes.margins(y=0.12)
    if (low, high) != (None, None):
        (axes.set_xlim if direction == "x" else axes.set_ylim)(low, high)


def _title(figure: Any, axes: Any, chart: Chart) -> None:
    """Above the axes, or, where names stand beside these, above both."""
    title = shortened(chart.title, LONGEST_TITLE)
    if chart.y.rows:
        figure.suptitle(title, x=0.01, ha="left", fontsize=FONT_SIZE + 0.5, fontweight="bold")
    else:
        axes.set_title(title)


def _names(axes: Any, chart: Chart) -> None:
    named = [point for series in chart.series for point in series.points if point.model in chart.names]
    labels = [chart.names[point.model] for point in named]
    texts = [
        axes.text(point.x, point.y, label, fontsize=FONT_SIZE - 1)
        for point, label in zip(named, labels, strict=True)
    ]
    every = list(chain.from_iterable(s.points for s in chart.series if s.marker is not None))
    adjust_text(
        texts,
        [point.x for point in every],
        [point.y for point in every],
        ax=axes,
        arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.5},
        expand=(1.2, 1.5) if len(max(labels, key=len)) > 2 else (2.2, 1.8),
        ensure_inside_axes=True,
        iter_lim=100,
    )


def _paint(index: int | None) -> str:
    return MUTED if index is None else colour(index)
