"""Which figures a report has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mir_task.metrics import LAYER_METRICS
from mir_task.report.analysis import Findings
from mir_task.report.columns import PROGRESS
from mir_task.report.compare import Checkpoint
from mir_task.report.figures.forest import forest
from mir_task.report.figures.layers import overlay, terms
from mir_task.report.figures.scatter import pooled_scatter, scatter
from mir_task.report.figures.steps import steps
from mir_task.report.figures.style import Drawing, slug
from mir_task.report.figures.trend import Point, trend
from mir_task.report.schema import Fit

MOST_LAYER_PANELS = 12


@dataclass(frozen=True)
class Gallery:
    """Every figure, by the section that shows it."""

    correlations: list[Drawing] = field(default_factory=list)
    groups: list[Drawing] = field(default_factory=list)
    benchmarks: dict[str, list[Drawing]] = field(default_factory=dict)
    """By group."""
    baselines: list[Drawing] = field(default_factory=list)
    layers: list[Drawing] = field(default_factory=list)
    """Numbers of each layer, all models together."""
    models: list[Drawing] = field(default_factory=list)
    """Terms of the distance, a figure for each model."""
    trends: list[Drawing] = field(default_factory=list)

    @property
    def all(self) -> list[Drawing]:
        """Every figure once."""
        sections = (self.correlations, self.groups, *self.benchmarks.values(), self.baselines)
        return [d for section in (*sections, self.layers, self.models, self.trends) for d in section]


def gallery(findings: Findings) -> Gallery:
    """Draw what the findings have numbers for."""
    groups = findings.comparison.groups
    index = {group: number for number, group in enumerate(groups)}
    with_layers = _with_layers(findings)

    def scatters(fits: Sequence[Fit], kind: str, png: bool = False) -> list[Drawing]:
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
        groups=scatters(findings.fits, "average", png=True),
        benchmarks={
            group: drawings
            for group in groups
            if (own := [fit for fit in several if fit.group == group])
            and (drawings := scatters(own, f"benchmark-{index[group]}"))
        },
        baselines=scatters(findings.baselines, "baseline"),
        layers=_curves(with_layers),
        models=[
            terms(c.label, c.result, f"layers-{slug(c.label)}-{number}", number)
            for number, c in enumerate(with_layers[:MOST_LAYER_PANELS])
            if c.result
        ],
        trends=[
            *([steps(findings.trainings)] if findings.trainings else []),
            *_training(findings),
            *_pairs(findings),
        ],
    )


def _scores(findings: Findings, group: str) -> set[str]:
    return {name for c in findings.comparison.groups[group] for name in c.scores}


def _with_layers(findings: Findings) -> list[Checkpoint]:
    """Models whose layers are known, each once, lowest MIR first."""
    found = {c.name: c for c in findings.comparison.checkpoints if c.result}
    return sorted(found.values(), key=lambda c: c.mir)


def _curves(checkpoints: Sequence[Checkpoint]) -> list[Drawing]:
    """A figure for each number of a layer that has one in the table of metrics."""
    drawings = [
        overlay(checkpoints, metric, metric.curve)
        for metric in LAYER_METRICS
        if metric.curve and len(checkpoints) >= (1 if metric.curve.single else 2)
    ]
    return [drawing for drawing in drawings if drawing]


def _training(findings: Findings) -> list[Drawing]:
    """MIR against how far checkpoints were trained."""
    drawings = []
    drawn = {point.checkpoint for training in findings.trainings for point in training.trajectory.points}
    for column, axis in PROGRESS.items():
        lines: dict[str, list[Point]] = {}
        for c in findings.comparison.checkpoints:
            if column in c.extras and not (column == "step" and c.name in drawn):
                lines.setdefault(c.group, []).append(Point(c.extras[column], c.mir, c.standard_error))
        lines = {group: points for group, points in lines.items() if _vary(points)}
        if lines:
            caption = f"MIR against {axis}; bars are standard errors."
            drawings.append(trend(lines, axis, f"mir-by-{column}", caption))
    return drawings


def _pairs(findings: Findings) -> list[Drawing]:
    """MIR against the number of pairs, of models that were measured on several numbers of them."""
    lines: dict[str, list[Point]] = {}
    for c in findings.comparison.checkpoints:
        points = [
            Point(float(run.pairs), run.mir, run.standard_error)
            for run in (*c.runs, *c.other_runs)
            if run.pairs
        ]
        if _vary(points):
            lines[c.label if c.label not in lines else f"{c.group}: {c.label}"] = points
    if not lines:
        return []
    caption = "One model measured on different numbers of image-text pairs: the steadier, the fewer pairs are enough."
    return [trend(lines, "image-text pairs", "mir-by-pairs", caption)]


def _vary(points: Sequence[Point]) -> bool:
    return len({point.x for point in points}) > 1
