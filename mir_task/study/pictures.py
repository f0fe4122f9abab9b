"""The three pictures of the page on all evidence: where MIR turns, whom it orders, what the rule reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.ticker import NullFormatter

from mir_task.report.figures.style import HAIRLINE, INK, MUTED, Drawing, colour, drawn, panel, panels
from mir_task.report.schema import Regression
from mir_task.study.judge import variant_means
from mir_task.study.readable import Confusion

WIDTH = 8.4
"""Inches; about as wide as a README is shown."""
GAP = 0.6
"""Rows left empty between two studies."""
PANEL_WIDTH = WIDTH / 3
MEASURES = {
    "loss": "training loss",
    "caption_ppl": "caption perplexity",
    "in_context": "2-shot in-context score",
    "samples": "longest training",
}


class Course(NamedTuple):
    """MIR and the score of one experiment over the image-caption pairs seen."""

    title: str
    models: pd.DataFrame
    """Rows of ``models.csv`` of the experiment."""
    along: pd.DataFrame | None = None
    """Rows of ``along.csv`` of its trainings, where MIR was measured within them."""


def turn(courses: Sequence[Course]) -> Drawing:
    """MIR (each seed a line, with what was measured within its training) and the mean score, over pairs seen."""
    with panels(len(courses), (max(WIDTH / 2, PANEL_WIDTH * len(courses)), 2.7)) as (figure, every):
        for place, (course, axes) in enumerate(zip(courses, every, strict=True)):
            right = axes.twinx()
            right.spines["right"].set_visible(True)
            _mir(axes, course)
            means = variant_means(course.models).sort_values("samples")
            right.plot(means["samples"], 100 * means["average"], "s--", ms=3, lw=1, color=colour(1))
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:,.0f}")
            # Less than two decades would have labels between them, one over the other.
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel("image-caption pairs seen")
            axes.set_title(course.title)
            if place == 0:
                axes.set_ylabel("MIR before SFT (solid)", color=colour(0))
            if place == len(courses) - 1:
                right.set_ylabel("score after SFT, % (dashed)", color=colour(1))
        caption = "MIR before SFT (solid) and mean score after it (dashed) over pairs seen: " + "; ".join(
            course.title for course in courses
        )
        return drawn(figure, "turn", caption, png=True)


def _mir(axes: Any, course: Course) -> None:
    if course.along is not None:
        for _, rows in course.along.sort_values("samples").groupby("seed"):
            seen = rows[rows["samples"] > 0]
            axes.plot(seen["samples"], seen["mir"], "-", lw=1, color=colour(0), alpha=0.55)
    for _, rows in course.models.sort_values("samples").groupby("seed"):
        style = "o" if course.along is not None else "o-"
        axes.plot(rows["samples"], rows["mir"], style, ms=3.5, lw=1, color=colour(0))


def order(studies: Mapping[str, Regression]) -> Drawing:
    """Share of pairs of models that each measure puts in the order of their scores, by study."""
    rows: list[tuple[float, str, float, tuple[float, float] | None, bool]] = []
    for number, (name, regression) in enumerate(studies.items()):
        assert regression.combined is not None  # every study has groups of several models
        found, place = regression.combined, len(rows) + GAP * number
        rows.append((place, f"{name}: MIR", found.concordance, found.interval, True))
        for below, other in enumerate(regression.against, start=1):
            rows.append((place + below, MEASURES[other.predictor], other.baseline_share, None, False))
    with panel((WIDTH, 0.9 + 0.24 * (rows[-1][0] + 1))) as (figure, axes):
        axes.axvline(50, color=MUTED, lw=0.8, ls=(0, (3, 2)))
        for place, _, share, interval, own in rows:
            if interval:
                axes.plot([100 * interval[0], 100 * interval[1]], [place, place], color=colour(0), lw=1.4)
            axes.plot(
                100 * share,
                place,
                "o",
                ms=6 if own else 5,
                color=colour(0 if own else 1),
                mfc=None if own else "none",
            )
        axes.set_yticks([row[0] for row in rows], [row[1] for row in rows])
        axes.invert_yaxis()
        axes.set_xlim(-2, 102)
        axes.set_xlabel("% of pairs of models in the order of their scores (a coin: 50)")
        axes.grid(axis="x", color=HAIRLINE, lw=0.5)
        caption = "Share of pairs in order by MIR, with its 95% interval, and by what is known without it"
        return drawn(figure, "order", caption, png=True)


def rule(counts: Mapping[str, Confusion]) -> Drawing:
    """Pairs that the rule reads and those that it does not, right and wrong, by study."""
    with panel((WIDTH, 0.9 + 0.5 * len(counts))) as (figure, axes):
        labels = []
        for place, (name, found) in enumerate(counts.items()):
            for row, (kind, right, wrong) in enumerate(
                (
                    ("read", found.readable_right, found.readable_wrong),
                    ("not read", found.unreadable_right, found.unreadable_wrong),
                )
            ):
                at = 2 * place + row
                axes.barh(at, right, color=colour(0), height=0.7)
                axes.barh(at, wrong, left=right, color=HAIRLINE, height=0.7)
                axes.annotate(
                    f"{right} of {right + wrong} in order",
                    (right + wrong, at),
                    (5, 0),
                    textcoords="offset points",
                    va="center",
                    color=INK,
                )
                labels.append(f"{name}: {kind}")
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.margins(x=0.25)
        axes.set_xlabel("pairs of recipes")
        caption = (
            "Pairs of recipes that the rule reads, and that it does not: how many are in the order of scores"
        )
        return drawn(figure, "rule", caption, png=True)
