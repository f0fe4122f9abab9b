"""Which figures a report has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mir_task.report.analysis import Findings
from mir_task.report.compare import Checkpoint
from mir_task.report.figures.forest import forest
from mir_task.report.figures.layers import overlay, terms
from mir_task.report.figures.scatter import pooled_scatter, scatter
from mir_task.report.figures.style import Drawing, slug
from mir_task.report.figures.trend import Point, trend
from mir_task.report.schema import Fit
from mir_task.report.tables import SCALES

MOST_LAYER_PANELS = 12


@dataclass(frozen=True)
class Gallery:
    """Every figure, by the section that shows it."""

    correlations: list[Drawing]
    groups: list[Drawing]
    benchmarks: dict[str, list[Drawing]]
    """By group."""
    baselines: list[Drawing]
    layers: list[Drawing]
    models: list[Drawing]
    """Per-layer terms, a figure a model."""
    trends: list[Drawing]

    @property
    def all(self) -> list[Drawing]:
        """Every figure once."""
        sections = (self.correlations, self.groups, *self.benchmarks.values(), self.baselines)
        return [d for section in (*sections, self.layers, self.models, self.trends) for d in section]


def gallery(findings: Findings) -> Gallery:
    """Draw everything that there is something to draw of."""
    groups = findings.comparison.groups
    index = {group: number for number, group in enumerate(groups)}

    def of(fits: Sequence[Fit], kind: str, png: bool = False) -> list[Drawing]:
        return [
            scatter(
                groups[fit.group],
                fit,
                f"{kind}-{number}-{slug(fit.group, fit.predictor, fit.score)}",
                index[fit.group],
                png,
            )
            for number, fit in enumerate(fits, start=1)
            if fit.n >= 2
        ]

    summary = forest(findings.fits, findings.pool) if len(findings.fits) > 1 else None
    pool = [pooled_scatter(groups, findings.pool, "pooled")] if findings.pool else []
    several = [fit for fit in findings.benchmarks if len(_scores(findings, fit.group)) > 1]
    return Gallery(
        correlations=([summary] if summary else []) + pool,
        groups=of(findings.fits, "average", png=True),
        benchmarks={
            group: drawings
            for group in groups
            if (drawings := of([fit for fit in several if fit.group == group], f"benchmark-{index[group]}"))
        },
        baselines=of(findings.baselines, "baseline"),
        layers=_layers(findings),
        models=[
            terms(c.label, run.result, f"layers-{slug(c.label)}-{number}", number)
            for number, c in enumerate(_with_layers(findings)[:MOST_LAYER_PANELS])
            if (run := next(run for run in c.runs if run.result)) and run.result
        ],
        trends=[*_training(findings), *_pairs(findings)],
    )


def _scores(findings: Findings, group: str) -> set[str]:
    return {name for c in findings.comparison.groups[group] for name in c.scores}


def _with_layers(findings: Findings) -> list[Checkpoint]:
    """Each model once, lowest MIR first."""
    found = {c.name: c for c in findings.comparison.checkpoints if any(run.result for run in c.runs)}
    return sorted(found.values(), key=lambda c: c.mir)


def _layers(findings: Findings) -> list[Drawing]:
    having = _with_layers(findings)
    if not having:
        return []
    ratio = "Above one, vision rows are longer than text rows; the scale of eq. 2 keeps this ratio."
    drawings = [
        overlay(
            having,
            "norm-ratio",
            lambda layer: layer.vision_norm / layer.text_norm if layer.text_norm else float("nan"),
            "Norm ratio",
            "mean vision norm / mean text norm",
            ratio,
            level=1.0,
        )
    ]
    if len(having) > 1:
        told = "The distance of every layer; MIR is log10 of the sum of a curve."
        drawings.insert(
            0,
            overlay(
                having,
                "distance",
                lambda layer: layer.fid,
                "Distance",
                "distance (mean text norm, squared)",
                told,
            ),
        )
    return drawings


def _training(findings: Findings) -> list[Drawing]:
    drawings = []
    for column, axis in SCALES.items():
        lines: dict[str, list[Point]] = {}
        for c in findings.comparison.checkpoints:
            if column in c.extras:
                lines.setdefault(c.group, []).append((c.extras[column], c.mir, c.standard_error))
        lines = {group: points for group, points in lines.items() if len({p[0] for p in points}) > 1}
        if lines:
            drawings.append(
                trend(lines, axis, f"mir-by-{column}", f"MIR against {axis}; bars are standard errors.")
            )
    return drawings


def _pairs(findings: Findings) -> list[Drawing]:
    lines: dict[str, list[Point]] = {}
    for c in findings.comparison.checkpoints:
        points = [(float(r.pairs), r.mir, r.standard_error) for r in (*c.runs, *c.other_runs) if r.pairs]
        if len({point[0] for point in points}) > 1:
            lines[c.label if c.label not in lines else f"{c.group}: {c.label}"] = points
    if not lines:
        return []
    told = "One model measured on different numbers of image-text pairs: the steadier, the fewer pairs are enough."
    return [trend(lines, "image-text pairs", "mir-by-pairs", told)]
