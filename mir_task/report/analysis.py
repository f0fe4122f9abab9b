"""From files to findings: the one path that the command line, the page and the tests take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mir_task.report import regress
from mir_task.report.averages import Averaged, average
from mir_task.report.choice import Better
from mir_task.report.compare import Comparison, compare
from mir_task.report.pool import pooled
from mir_task.report.records import Evidence, MIRReportError, listing
from mir_task.report.schema import Fit, Pooled
from mir_task.report.verdict import Verdict, verdict


@dataclass(frozen=True)
class Settings:
    """What the user asked for."""

    task: str | None = None
    benchmarks: tuple[str, ...] = ()
    """To average over; ``("common",)``: those that all models have."""
    scales: Mapping[str, float] = field(default_factory=dict)
    pool: tuple[str, ...] = ()
    baselines: Mapping[str, Better] = field(default_factory=dict)
    allow_mixed_protocols: bool = False


@dataclass(frozen=True)
class Findings:
    """All that the page and the files say."""

    evidence: Evidence
    averaged: Averaged
    fits: list[Fit]
    pool: Pooled | None
    benchmarks: list[Fit]
    baselines: list[Fit]
    verdict: Verdict
    notes: list[str]
    problems: list[str]
    """Why this is not the whole answer: files skipped, groups where MIR or scores do not vary."""

    @property
    def comparison(self) -> Comparison:
        """The checkpoints."""
        return self.averaged.comparison


def analyse(evidence: Evidence, settings: Settings | None = None) -> Findings:
    """Compare, relate, judge.

    Raises:
        MIRReportError: what was found cannot be compared, or nothing in it varies; the message says what to do.
    """
    settings = settings or Settings()
    comparison = compare(
        _with_named_baselines(evidence, settings.baselines), settings.task, settings.allow_mixed_protocols
    )
    averaged = average(
        comparison,
        benchmarks=() if settings.benchmarks == ("common",) else settings.benchmarks,
        common=settings.benchmarks == ("common",),
        scales=settings.scales,
    )
    fits = regress.by_group(averaged)
    benchmarks = regress.by_benchmark(averaged)
    constant = regress.constant(fits)
    if constant and not any(fit.spearman for fit in [*fits, *benchmarks]):
        raise MIRReportError(
            f"nothing to relate: {'; '.join(constant)}; are the models different, and the scores of different models?"
        )
    pool = pooled(averaged, settings.pool)
    baselines = regress.baselines(averaged, settings.baselines)
    return Findings(
        evidence=evidence,
        averaged=averaged,
        fits=fits,
        pool=pool,
        benchmarks=benchmarks,
        baselines=baselines,
        verdict=verdict(averaged.comparison, fits, pool, baselines),
        notes=[*comparison.notes, *averaged.notes],
        problems=[f"skipped {skipped}" for skipped in evidence.skipped] + constant,
    )


def _with_named_baselines(evidence: Evidence, named: Mapping[str, Better]) -> Evidence:
    """Adds baselines that are lmms-eval tasks run before SFT to the measurements of their models.

    Raises:
        MIRReportError: a baseline that no file has.
    """
    for name in named:
        for place, run in enumerate(evidence.runs):
            before = evidence.before_sft.get(run.model, {})
            if name in before:
                evidence.runs[place].extras.setdefault(name, before[name])
        known = [run.extras for run in evidence.runs] + [row.extras for row in evidence.rows]
        if not any(name in extras for extras in known):
            tasks = sorted({task for scores in evidence.before_sft.values() for task in scores})
            raise MIRReportError(
                f"--baseline {name}: no table has a column and no model a result of this name before SFT"
                + (f"; there are results of {listing(tasks)}" if tasks else "")
            )
    return evidence
