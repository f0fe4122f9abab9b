"""MIR against a score: points with names, line and interval within a group; several groups side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from adjustText import adjust_text

from mir_task.report.association import confidence_band
from mir_task.report.averages import AVERAGE
from mir_task.report.compare import Checkpoint
from mir_task.report.figures.style import FONT_SIZE, MUTED, Drawing, colour, drawn, panel
from mir_task.report.regress import predictor_of, score_of
from mir_task.report.schema import Fit, Pooled
from mir_task.report.text import interval, join, number, short

MOST_NAMES, LONGEST_NAME = 6, 18
"""Beyond these, names would lie far from their points or over each other."""
MOST_KEYS = 40
"""More points than this are neither named nor numbered."""


def scatter(members: Sequence[Checkpoint], fit: Fit, name: str, index: int = 0, png: bool = False) -> Drawing:
    """One group: each model a point with its name, the line where there is a slope, its 95% band from four models."""
    shown = _complete(members, fit)
    x, y = _values(shown, fit)
    with panel() as (figure, axes):
        if fit.slope is not None:
            _line(axes, x, y, colour(index))
        errors = [c.standard_error or 0.0 for c in shown] if fit.predictor == "mir" else None
        if errors and any(errors):
            axes.errorbar(x, y, xerr=errors, fmt="none", ecolor=colour(index), elinewidth=0.8)
        axes.plot(x, y, "o", color=colour(index), markersize=5, markeredgewidth=0)
        axes.set_xlabel(_axis(fit))
        turned = any(fit.score in c.lower_is_better for c in shown)
        axes.set_ylabel(f"{fit.score}, negated" if turned else _score(fit))
        axes.set_title(_title(fit))
        axes.margins(0.12)
        if len(members) <= MOST_KEYS:
            named = names_fit(members)
            labels = [c.label if named else str(n) for n, c in enumerate(members, start=1) if c in shown]
            _name(figure, axes, x, y, labels)
        text = f"{caption(fit)} {key(members)}".strip() if fit.score == AVERAGE else caption(fit)
        return drawn(figure, name, text, png)


def pooled_scatter(groups: Mapping[str, Sequence[Checkpoint]], pool: Pooled, name: str) -> Drawing:
    """Every group of the pool in its colour with its own line; the line of all of them dashed."""
    names = short(list(groups))
    with panel((3.7, 3.3)) as (figure, axes):
        all_x, all_y = [], []
        for group in pool.groups:
            index = list(groups).index(group)
            x, y = _values(_complete(groups[group], pool), pool)
            if np.ptp(x) > 0:
                slope, intercept = np.polyfit(x, y, 1)
                ends = np.array([x.min(), x.max()])
                axes.plot(ends, intercept + slope * ends, color=colour(index), lw=1)
            axes.plot(x, y, "o", color=colour(index), markersize=5, markeredgewidth=0, label=names[group])
            all_x.append(x)
            all_y.append(y)
        x = np.concatenate(all_x)
        if pool.slope is not None:
            ends = np.array([x.min(), x.max()])
            line = pool.slope.intercept + pool.slope.estimate * ends
            axes.plot(ends, line, color=MUTED, lw=1.2, ls=(0, (4, 3)), label="all together")
        axes.set_xlabel(_axis(pool))
        axes.set_ylabel(_score(pool))
        axes.set_title(f"{join([names[group] for group in pool.groups])} together")
        axes.legend(loc="best", handlelength=1.2, handletextpad=0.5)
        text = (
            f"MIR against the average over {len(pool.over)} benchmarks. Each colour is a group with "
            f"its own line, the dashed line takes all together. {caption(pool)}"
        )
        return drawn(figure, name, text, png=True)


def caption(fit: Fit) -> str:
    """What a scatter shows, and how sure it is."""
    clauses = [f"{fit.n} models"]
    if fit.pearson and fit.spearman:
        claimed = f", 95% interval {interval(fit.pearson.interval)}" if fit.pearson.interval else ""
        clauses.append(f"Pearson r = {number(fit.pearson.r)}{claimed}")
        clauses.append(f"Spearman rho = {number(fit.spearman.rho)}")
    if fit.excluded:
        clauses.append(f"{len(fit.excluded)} without the score left out")
    return "; ".join([*clauses, *fit.notes]) + "."


def _line(axes: Any, x: Any, y: Any, paint: str) -> None:
    at = np.linspace(x.min() - 0.06 * np.ptp(x), x.max() + 0.06 * np.ptp(x), 60)
    mean, low, high = confidence_band(x, y, at)
    axes.plot(at, mean, color=paint, lw=1.1)
    reach = np.ptp(y)
    if low is not None and high is not None:
        axes.fill_between(at, low, high, color=paint, alpha=0.13, lw=0)
        # With four models the band may be ten times as high as the points, which must stay visible.
        bottom, top = max(low.min(), y.min() - 1.2 * reach), min(high.max(), y.max() + 1.2 * reach)
        axes.set_ylim(min(bottom, y.min() - 0.15 * reach), max(top, y.max() + 0.15 * reach))


def names_fit(members: Sequence[Checkpoint]) -> bool:
    """Whether a panel has room for the names of a group's models; otherwise they are numbered."""
    return len(members) <= MOST_NAMES and all(len(c.label) <= LONGEST_NAME for c in members)


def key(members: Sequence[Checkpoint]) -> str:
    """What the numbers of a group's points mean: their order by MIR, the same in every panel."""
    if names_fit(members):
        return ""
    if len(members) > MOST_KEYS:
        return "The names are in the leaderboard."
    return ", ".join(f"({n}) {c.label}" for n, c in enumerate(members, start=1)) + "."


def _name(figure: Any, axes: Any, x: Any, y: Any, names: Sequence[str]) -> None:
    texts = [
        axes.text(across, up, name, fontsize=FONT_SIZE - 1)
        for across, up, name in zip(x, y, names, strict=True)
    ]
    figure.draw_without_rendering()  # the axes' final place, which the labels must keep inside
    adjust_text(
        texts,
        x,
        y,
        ax=axes,
        arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.5},
        expand=(1.2, 1.5) if len(max(names, key=len)) > 2 else (2.2, 1.8),
        ensure_inside_axes=True,
        iter_lim=200,
    )


def _complete(members: Sequence[Checkpoint], fit: Fit) -> list[Checkpoint]:
    return [c for c in members if c.label not in fit.excluded and score_of(c, fit.score) is not None]


def _values(members: Sequence[Checkpoint], fit: Fit) -> tuple[Any, Any]:
    x = np.array([predictor_of(c, fit.predictor) for c in members], dtype=np.float64)
    return x, np.array([score_of(c, fit.score) for c in members], dtype=np.float64)


def _title(fit: Fit) -> str:
    if fit.predictor != "mir":
        return f"{fit.predictor}, {fit.group}"
    return fit.group if fit.score == AVERAGE else fit.score


def _axis(fit: Fit) -> str:
    return "MIR (lower is better)" if fit.predictor == "mir" else f"{fit.predictor} ({fit.better} is better)"


def _score(fit: Fit) -> str:
    if fit.score != AVERAGE:
        return fit.score
    if len(fit.over) > 1:
        return f"average of {len(fit.over)} benchmarks"
    return fit.over[0] if fit.over else "average"
