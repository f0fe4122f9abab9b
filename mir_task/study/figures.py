"""Figures of the study: the average after SFT against a predictor, and both over the pairs seen."""

from __future__ import annotations

import pandas as pd

from mir_task.report.figures.style import Drawing, colour, drawn, panel, slug
from mir_task.study.judge import variant_means

AXES = {
    "mir": "MIR (lower is better)",
    "loss": "loss at the end of stage 1",
    "caption_ppl": "caption perplexity",
    "in_context": "2-shot in-context score",
    "norm_matched": "MIR with norms matched",
}


def against_score(models: pd.DataFrame, experiment: str, predictor: str) -> Drawing:
    """Every run of an experiment as a point, runs of one seed in one colour, the variants' means named."""
    runs = models[models["group"] == experiment]
    with panel() as (figure, axes):
        for index, (seed, rows) in enumerate(runs.groupby("seed")):
            axes.plot(rows[predictor], rows["average"], "o", ms=4, color=colour(index), label=f"seed {seed}")
        means = variant_means(runs)
        for variant, row in means.iterrows():
            axes.annotate(
                str(variant),
                (row[predictor], row["average"]),
                xytext=(3, 3),
                textcoords="offset points",
                fontsize=7,
            )
        axes.set_xlabel(AXES[predictor])
        axes.set_ylabel("average after SFT")
        axes.margins(0.12)
        if runs["seed"].nunique() > 1:
            axes.legend(loc="best", handlelength=1.0)
        caption = f"{experiment}: average after SFT against {AXES[predictor]}, {len(runs)} models"
        return drawn(figure, slug(experiment, predictor), caption, png=True)


def along(models: pd.DataFrame, experiment: str, axis: str, log: bool) -> Drawing:
    """MIR and the average after SFT over the image-caption pairs seen, each seed a line; two vertical axes."""
    runs = models[models["group"] == experiment].sort_values("samples")
    with panel() as (figure, axes):
        right = axes.twinx()
        right.spines["right"].set_visible(True)
        for _, rows in runs.groupby("seed"):
            axes.plot(rows["samples"], rows["mir"], "o-", ms=3, lw=1, color=colour(0))
            right.plot(rows["samples"], rows["average"], "s--", ms=3, lw=1, color=colour(1))
        if log:
            axes.set_xscale("log", base=2)
            seen = sorted(runs["samples"].unique())
            axes.set_xticks(seen, [f"{samples:g}" for samples in seen], rotation=45)
            axes.minorticks_off()
        axes.set_xlabel(axis)
        axes.set_ylabel("MIR (solid)", color=colour(0))
        right.set_ylabel("average after SFT (dashed)", color=colour(1))
        caption = f"{experiment}: MIR (solid) and average after SFT (dashed) over {axis}"
        return drawn(figure, slug(experiment, "along"), caption, png=True)
