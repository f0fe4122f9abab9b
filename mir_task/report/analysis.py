"""From files to findings: the one path that the command line, the page and the tests take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mir_task.metrics import Better
from mir_task.report import regress
from mir_task.report.against import against
from mir_task.report.association import MIN_FOR_CORRELATION, MIN_FOR_INTERVAL
from mir_task.report.averages import Averaged, average
from mir_task.report.checkpoint import Comparison
from mir_task.report.combined import combined
from mir_task.report.compare import compare
from mir_task.report.decision.rules import decide
from mir_task.report.echo import echo, echo_models
from mir_task.report.merge import merged
from mir_task.report.names import not_found
from mir_task.report.pool import pooled
from mir_task.report.predict import extrapolations, predictions
from mir_task.report.protocol import of_one_task
from mir_task.report.recipes import by_recipe
from mir_task.report.records import Evidence, MIRReportError, Run, listing
from mir_task.report.regress import BesideMIR
from mir_task.report.scales import Benchmark, ScoreSettings, understood
from mir_task.report.schema import Against, Combined, Decision, Fit, Pooled, Prediction
from mir_task.report.scored_alike import check_scores
from mir_task.report.stated import in_points
from mir_task.report.text import count, sentence
from mir_task.report.trainings import Training, trainings
from mir_task.report.trust import Doubt, doubts
from mir_task.report.verdict import Verdict, verdict


@dataclass(frozen=True)
class Settings:
    """What the user asked for."""

    task: str | None = None
    benchmarks: tuple[str, ...] = ()
    """Benchmarks to average over; ``("common",)``: those that all models have."""
    scores: ScoreSettings = field(default_factory=ScoreSettings)
    """Scale and direction of scores."""
    pool: tuple[str, ...] = ()
    """Groups to pool; empty: those that can be."""
    baselines: Mapping[str, Better] = field(default_factory=dict)
    """Measures in the place of MIR, besides those known, and which end of each is better."""
    allow_mixed_protocols: bool = False


@dataclass(frozen=True)
class Findings:
    """All that the page and the files say."""

    evidence: Evidence
    averaged: Averaged
    fits: list[Fit]
    combined: Combined | None
    pool: Pooled | None
    benchmarks: list[Fit]
    scales: dict[str, Benchmark]
    """Every benchmark as it was understood."""
    understood: list[str]
    """What was taken as a benchmark, what was left out, and how models were joined, in sentences."""
    beside_mir: list[BesideMIR]
    trainings: list[Training]
    """MIR over the steps of each training."""
    against: list[Against]
    predictions: list[Prediction]
    decision: Decision
    verdict: Verdict
    notes: list[str]
    problems: list[str]
    """Why this is not the whole answer: files skipped, groups where MIR or scores do not vary."""

    @property
    def comparison(self) -> Comparison:
        """The checkpoints."""
        return self.averaged.comparison

    @property
    def doubts(self) -> list[Doubt]:
        """Why the MIR of some models should not be believed or compared."""
        return doubts(self.comparison.checkpoints)

    @property
    def baselines(self) -> list[Fit]:
        """The fit of each baseline, each followed by that of MIR on the same models."""
        return [fit for both in self.beside_mir for fit in (both.baseline, both.mir)]


def analyse(evidence: Evidence, settings: Settings | None = None) -> Findings:
    """Compare the checkpoints, relate MIR to scores, judge.

    Raises:
        MIRReportError: what was found cannot be compared, or nothing in it varies; the message says what to do.
    """
    settings = settings or Settings()
    scores = merged(evidence.rows, of_one_task(evidence.runs, settings.task))
    score_notes = check_scores(scores.runs, settings.allow_mixed_protocols)
    evidence = _with_named_baselines(replace(evidence, rows=scores.rows), settings.baselines)
    units = by_recipe(evidence.runs, evidence.rows, evidence.recipes)
    evidence = replace(evidence, runs=units.runs, rows=units.rows)
    comparison = compare(evidence, settings.task, settings.allow_mixed_protocols)
    named = () if settings.benchmarks == ("common",) else settings.benchmarks
    scales = understood(evidence.rows, replace(settings.scores, benchmarks=named))
    comparison = in_points(comparison, scales)
    averaged = average(
        comparison,
        scales,
        chosen=named,
        common=settings.benchmarks == ("common",),
    )
    fits = regress.by_group(averaged)
    benchmarks = regress.by_benchmark(averaged)
    constant = regress.constant(fits)
    if constant and not any(fit.spearman for fit in [*fits, *benchmarks]):
        files = dict.fromkeys([run.source for run in evidence.runs] + [row.source for row in evidence.rows])
        raise MIRReportError(
            f"{'; '.join(constant)} ({listing(files, 3)}); see whether the files are of different checkpoints, "
            "each with its own scores"
        )
    in_all = combined(averaged.comparison.groups)
    in_training = trainings(averaged.comparison.checkpoints)
    warnings = [
        *(training.sentence for training in in_training if training.warns),
        *map(_as_sentence, evidence.no_scores),
        *comparison.warnings,
        *averaged.warnings,
    ]
    pool = pooled(averaged, settings.pool)
    beside_mir = regress.baselines(averaged, settings.baselines)
    predicted = predictions(averaged.comparison)
    compared = against(averaged, settings.baselines)
    decision = decide(averaged.comparison.groups, settings.baselines, compared, in_training)
    return Findings(
        evidence=evidence,
        averaged=averaged,
        fits=fits,
        combined=in_all,
        pool=pool,
        benchmarks=benchmarks,
        scales=scales,
        understood=[
            *echo(scales, evidence.left_out),
            *echo_models(comparison),
            *units.notes,
            *scores.notes,
            *evidence.understood,
        ],
        beside_mir=beside_mir,
        trainings=in_training,
        against=compared,
        predictions=predicted,
        decision=decision,
        verdict=verdict(decision, averaged.comparison, fits, pool, beside_mir, in_all, compared, warnings),
        notes=[*score_notes, *comparison.notes, *averaged.notes, *extrapolations(predicted)],
        problems=[
            *(f"{skipped}; it is left out" for skipped in evidence.skipped),
            *evidence.no_scores,
            *comparison.problems,
            *averaged.without_average,
            *constant,
            *_too_few(fits),
        ],
    )


def _too_few(fits: list[Fit]) -> list[str]:
    """Why nothing can be related where no group has enough models with MIR and scores."""
    most = max((fit.n for fit in fits), default=0)
    if not most or most >= MIN_FOR_CORRELATION:
        return []
    return [
        f"{count(most, 'model')} with MIR and scores {'is' if most == 1 else 'are'} too few to relate them: "
        f"{count(MIN_FOR_CORRELATION, 'model')} give a correlation, {count(MIN_FOR_INTERVAL, 'model')} an interval"
    ]


def _as_sentence(problem: str) -> str:
    return f"{sentence(problem)}."


def _with_named_baselines(evidence: Evidence, named: Mapping[str, Better]) -> Evidence:
    """The evidence with named baselines that are lmms-eval tasks run before SFT, as numbers of the runs.

    Raises:
        MIRReportError: no file has one of the baselines.
    """
    evidence = replace(
        evidence, runs=[_with_scores_before_sft(run, evidence, named) for run in evidence.runs]
    )
    extras = [run.extras for run in evidence.runs] + [row.extras for row in evidence.rows]
    for name in named:
        if not any(name in known for known in extras):
            columns = {column for known in extras for column in known} | {
                column for row in evidence.rows for column in row.scores
            }
            tasks = sorted({task for scores in evidence.before_sft.values() for task in scores})
            raise MIRReportError(
                not_found("--baseline", name, {*tasks, *columns}, "column, and no result before SFT,")
            )
    return evidence


def _with_scores_before_sft(run: Run, evidence: Evidence, named: Mapping[str, Better]) -> Run:
    before = evidence.before_sft.get(run.model, {})
    added = {name: before[name] for name in named if name in before and name not in run.extras}
    return replace(run, extras=run.extras | added)
