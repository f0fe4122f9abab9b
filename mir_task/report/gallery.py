"""Which figures a report has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mir_task.metrics import LAYER_METRICS
from mir_task.report.analysis import Findings
from mir_task.report.checkpoint import Checkpoint
from mir_task.report.columns import PROGRESS
from mir_task.report.figures.answer import by_mir, within_groups
from mir_task.report.figures.beside import beside
from mir_task.report.figures.chart import Chart
from mir_task.report.figures.draw import draw
from mir_task.report.figures.forest import forest
from mir_task.report.figures.layers import overlay, terms
from mir_task.report.figures.scatter import pooled_scatter, scatter
from mir_task.report.figures.steps import steps
from mir_task.report.figures.style import Drawing, slug
from mir_task.report.figures.trend import Line, Point, trend
from mir_task.report.schema import Fit

MOST_LAYER_PANELS = 12
MOST_GROUP_PANELS = 12
"""Groups with a static picture; the page's script draws those of all."""
MOST_BENCHMARK_PANELS = 60
"""Static pictures of single benchmarks; where there would be more, there are none."""
SEED = re.compile(r"(?:^|[-_/.])s(?:eed)?[-_=]?(\d+)(?=$|[-_/.])", re.I)
"""Seed of training in a checkpoint's name: ``…_s0``, ``…-seed1/…``."""


@dataclass(frozen=True)
class Gallery:
    """Every chart, by the section that shows it, and the static pictures."""

    answer: list[Chart] = field(default_factory=list)
    correlations: list[Chart] = field(default_factory=list)
    groups: list[Chart] = field(default_factory=list)
    benchmarks: dict[str, list[Chart]] = field(default_factory=dict)
    """By group; the script shows them as variants of ``groups``."""
    baselines: list[Chart] = field(default_factory=list)
    layers: list[Chart] = field(default_factory=list)
    """Numbers of each layer, all models together."""
    models: list[Chart] = field(default_factory=list)
    """Terms of the distance, a figure for each model."""
    trends: list[Chart] = field(default_factory=list)
    drawings: dict[str, Drawing] = field(default_factory=dict)
    """Static pictures by the name of their chart."""

    @property
    def live(self) -> list[Chart]:
        """The charts that the page's script draws."""
        sections = (self.answer, self.correlations, self.groups, self.baselines)
        return [chart for section in (*sections, self.layers, self.models, self.trends) for chart in section]

    @property
    def still(self) -> list[Chart]:
        """The charts that have a static picture."""
        # A single group's panel is the answer's picture already.
        groups = self.groups[:MOST_GROUP_PANELS] if len(self.groups) > 1 or not self.answer else []
        several = [chart for charts in self.benchmarks.values() for chart in charts]
        return [
            *(chart for chart in self.live if chart not in self.groups),
            *groups,
            *(several if len(several) <= MOST_BENCHMARK_PANELS else []),
        ]


def gallery(findings: Findings) -> Gallery:
    """Draw what the findings have numbers for."""
    found = charts(findings)
    drawings = {}
    for chart in found.still:
        drawings[chart.name] = draw(chart)
    return replace(found, drawings=drawings)


def charts(findings: Findings) -> Gallery:
    """What there is to draw."""
    groups = findings.comparison.groups
    index = {group: number for number, group in enumerate(groups)}
    choices = findings.decision.choices
    with_layers = _with_layers(findings)

    def scatters(fits: Sequence[Fit], kind: str) -> list[Chart]:
        return [
            scatter(
                groups[fit.group],
                fit,
                f"{kind}-{number}-{slug(fit.group, fit.predictor, fit.score)}",
                index[fit.group],
                choices.get(fit.group, ()),
            )
            for number, fit in enumerate(fits, start=1)
            if fit.n >= 2
        ]

    benchmarks = {
        group: scatters(fits, f"benchmark-{index[group]}") for group, fits in _by_group(findings).items()
    }
    panels = [
        replace(panel, variants=_variants(benchmarks.get(fit.group, [])))
        for fit in findings.fits
        for panel in scatters([fit], f"average-{index[fit.group]}")
    ]
    summary = forest(findings.fits, findings.pool, index) if len(findings.fits) > 1 else None
    share = beside(findings.beside_mir)
    return Gallery(
        answer=_answer(findings, panels),
        correlations=([summary] if summary else [])
        + ([pooled_scatter(groups, findings.pool, "pooled")] if findings.pool else []),
        groups=panels,
        benchmarks={group: drawn for group, drawn in benchmarks.items() if drawn},
        baselines=[share] if share else [],
        layers=_curves(with_layers),
        models=[
            terms(c, c.result, f"layers-{slug(c.label)}-{number}", number)
            for number, c in enumerate(with_layers[:MOST_LAYER_PANELS])
            if c.result
        ],
        trends=[
            *([steps(findings.trainings)] if findings.trainings else []),
            *_training(findings, index),
            *_pairs(findings),
        ],
    )


def _answer(findings: Findings, panels: Sequence[Chart]) -> list[Chart]:
    """One picture: scores against MIR where there are scores, otherwise MIR alone."""
    groups = findings.comparison.groups
    if len(panels) == 1:
        return [
            replace(
                panels[0],
                name="answer",
                title="Score after SFT against MIR",
                variants={},
                wide=True,
                png=True,
            )
        ]
    picture = within_groups(groups, findings.fits, findings.decision.choices) if panels else None
    if picture is None and len(findings.comparison.checkpoints) > 1:
        picture = by_mir(groups, findings.decision.choices)
    return [picture] if picture else []


def _by_group(findings: Findings) -> dict[str, list[Fit]]:
    """Fits of single benchmarks, of groups that have several."""
    found: dict[str, list[Fit]] = {}
    for fit in findings.benchmarks:
        found.setdefault(fit.group, []).append(fit)
    return {group: fits for group, fits in found.items() if len(fits) > 1}


def _variants(panels: Sequence[Chart]) -> Mapping[str, Chart]:
    """By benchmark; without bands, which would be most of the page."""
    return {panel.title: replace(panel, bands=()) for panel in panels}


def _with_layers(findings: Findings) -> list[Checkpoint]:
    """Models whose layers are known, each once, lowest MIR first."""
    found = {c.name: c for c in findings.comparison.checkpoints if c.result}
    return sorted(found.values(), key=lambda c: c.mir)


def _curves(checkpoints: Sequence[Checkpoint]) -> list[Chart]:
    """A figure for each number of a layer that has one in the table of metrics."""
    found = [
        overlay(checkpoints, metric, metric.curve)
        for metric in LAYER_METRICS
        if metric.curve and len(checkpoints) >= (1 if metric.curve.single else 2)
    ]
    return [chart for chart in found if chart]


def _training(findings: Findings, index: Mapping[str, int]) -> list[Chart]:
    """MIR against how far checkpoints were trained, in the groups' colours."""
    found = []
    drawn = {point.checkpoint for training in findings.trainings for point in training.trajectory.points}
    for column, axis in PROGRESS.items():
        runs: dict[tuple[str, str | None], list[Point]] = {}
        for c in findings.comparison.checkpoints:
            if column in c.extras and not (column == "step" and c.name in drawn):
                point = Point(c.extras[column], c.mir, c.standard_error, c.name)
                runs.setdefault((c.group, _seed(c)), []).append(point)
        varying = {
            group for group, _ in runs if _vary([p for (g, _), ps in runs.items() if g == group for p in ps])
        }
        lines = [
            Line(group, index[group], points, joined=len({p.x for p in points}) == len(points))
            for (group, _), points in runs.items()
            if group in varying
        ]
        if lines:
            caption = f"MIR against {axis}; bars are standard errors. A line joins one seed's checkpoints."
            found.append(trend(lines, axis, f"mir-by-{column}", caption))
    return found


def _seed(checkpoint: Checkpoint) -> str | None:
    found = SEED.search(checkpoint.name)
    return found[1] if found else None


def _pairs(findings: Findings) -> list[Chart]:
    """MIR against the number of pairs, of models that were measured on several numbers of them."""
    lines: dict[str, list[Point]] = {}
    for c in findings.comparison.checkpoints:
        points = [
            Point(float(run.pairs), run.mir, run.standard_error, c.name)
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
