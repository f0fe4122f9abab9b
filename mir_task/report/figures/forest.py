"""Pearson's r of every group and of the pool, with intervals, under each other."""

from __future__ import annotations

from collections.abc import Sequence

from mir_task.report.figures.style import FONT_SIZE, HAIRLINE, INK, MUTED, Drawing, colour, drawn, panel
from mir_task.report.schema import Fit, Pooled

ROW = 0.36
"""Inches."""


def forest(fits: Sequence[Fit], pool: Pooled | None, name: str = "correlations") -> Drawing | None:
    """A row for each group and the pool; None if no group has a correlation."""
    rows: list[Fit] = [fit for fit in fits if fit.pearson]
    if not rows:
        return None
    rows += [pool] if pool and pool.pearson else []
    with panel((3.7, 0.9 + ROW * len(rows))) as (figure, axes):
        axes.axvline(0, color=HAIRLINE, lw=0.8, zorder=0)
        for place, fit in enumerate(rows):
            assert fit.pearson and fit.spearman
            y = len(rows) - 1 - place
            paint = INK if isinstance(fit, Pooled) else colour(list(fits).index(fit))
            if fit.pearson.interval:
                axes.plot(fit.pearson.interval, (y, y), color=paint, lw=1.6, solid_capstyle="round")
            axes.plot(fit.pearson.r, y, "o", color=paint, markersize=5.5)
            axes.plot(fit.spearman.rho, y, "D", markersize=4.5, markerfacecolor="none", markeredgecolor=paint)
            label = "pooled" if isinstance(fit, Pooled) else fit.group
            axes.text(1.0, y + 0.24, f"{label}, n = {fit.n}", ha="right", va="bottom", fontsize=FONT_SIZE - 1)
        axes.set_title("How closely MIR follows the average score")
        axes.set_xlim(-1.03, 1.03)
        axes.set_ylim(-0.5, len(rows) - 0.25)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("correlation")
        axes.tick_params(colors=MUTED)
        caption = (
            "Filled: Pearson's r with its 95% interval (none below four models). Open: Spearman's rho. "
            "Left of zero, lower MIR goes with higher scores."
        )
        return drawn(figure, name, caption, png=True)
