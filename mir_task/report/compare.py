"""Joins runs and scores into checkpoints: one MIR, one set of scores each; ranks them and marks ties."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from scipy import stats

from mir_task.metrics import MIR_METRICS, MIRMetric
from mir_task.report import protocol
from mir_task.report.names import labels, near, resolve
from mir_task.report.records import Evidence, MIRReportError, Row, Run, listing
from mir_task.report.ties import ranked
from mir_task.result import MIRResult

COLUMNS = [metric for metric in MIR_METRICS if metric.column]
"""Metrics that the leaderboard shows beside MIR, its standard error and the pairs."""
DISAGREEMENT = 0.001
"""Runs that differ by as much as theirs do less often than this by chance are said to disagree."""
NAME_ALIKE = "Name the models and their groups alike, or give --mapping a table pretrained,finetuned"
ONE_GROUP = "all models"


@dataclass(frozen=True)
class Checkpoint:
    """One model in one group: its MIR before SFT and, where known, its scores after."""

    name: str
    label: str
    group: str
    mir: float
    """Mean over the runs at the number of pairs that is compared."""
    standard_error: float | None
    spread: float | None
    """Standard deviation of MIR over the runs (seeds); None of a single one."""
    pairs: int | None
    runs: tuple[Run, ...]
    """The runs averaged; others of the model are in ``other_runs``."""
    other_runs: tuple[Run, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)
    """Means over the runs of those metrics in ``COLUMNS`` that all of the runs have."""
    scores: dict[str, float] = field(default_factory=dict)
    average: float | None = None
    """As the source states it, until :mod:`mir_task.report.averages` decides."""
    average_over: tuple[str, ...] = ()
    extras: dict[str, float] = field(default_factory=dict)
    score_errors: dict[str, float] = field(default_factory=dict)
    """Standard errors of the scores that have one."""
    score_spread: dict[str, float] = field(default_factory=dict)
    """Standard deviation of the scores over runs of SFT, where there are several."""
    score_runs: int = 1
    """Runs of SFT that the scores are the mean of."""
    score_runs_of: dict[str, int] = field(default_factory=dict)
    """The same of benchmarks that only some of these runs have a score in."""
    average_error: float | None = None
    """Standard error of the average, of errors of its benchmarks; None where one has none, or the source states it."""
    average_freedom: float = math.inf
    """Degrees of freedom of that error: few where it comes from a few runs of SFT."""
    lower_is_better: frozenset[str] = frozenset()
    """Benchmarks whose score is better when lower."""
    rank: tuple[int, int] = (0, 0)
    """Best and worst rank that the errors of MIR allow, within the group; equal where there is no tie."""
    tied_with: frozenset[str] = frozenset()
    """Names of the models of its group whose MIR it cannot be told from."""

    @property
    def result(self) -> MIRResult | None:
        """The first run's whole result, if any has one."""
        return next((run.result for run in self.runs if run.result), None)

    @property
    def uncertainty(self) -> float | None:
        """Standard error of MIR with what the spread over its runs adds to it; None where neither is known."""
        if self.standard_error is None and self.spread is None:
            return None
        return math.hypot(self.standard_error or 0.0, (self.spread or 0.0) / math.sqrt(len(self.runs) or 1))

    @property
    def runs_disagree(self) -> bool:
        """Whether the runs differ by more than their standard errors allow, by a chi-squared test.

        Those of several trainings of one recipe are expected to.
        """
        if len({run.trained for run in self.runs}) > 1 or not self.standard_error or not self.spread:
            return False
        free = len(self.runs) - 1
        return bool(stats.chi2.sf(free * (self.spread / self.standard_error) ** 2, free) < DISAGREEMENT)

    @property
    def rank_text(self) -> str:
        """The rank, or the range of ranks that a tie leaves open."""
        low, high = self.rank
        return str(low) if low == high else f"{low}–{high}"  # noqa: RUF001


@dataclass(frozen=True)
class Comparison:
    """All checkpoints, by group and MIR, and what the reader has to know about how they were joined."""

    checkpoints: list[Checkpoint]
    notes: list[str]
    warnings: list[str] = field(default_factory=list)
    """What the reader has to know before the numbers."""
    problems: list[str] = field(default_factory=list)
    """Why the comparison is not the whole answer."""
    understood: list[str] = field(default_factory=list)
    """Models that have no MIR, and those measured several times, in sentences."""

    @property
    def groups(self) -> dict[str, list[Checkpoint]]:
        """Checkpoints by group, in the order of the files, lowest MIR first."""
        found: dict[str, list[Checkpoint]] = {}
        for checkpoint in self.checkpoints:
            found.setdefault(checkpoint.group, []).append(checkpoint)
        return found

    @property
    def columns(self) -> list[MIRMetric]:
        """The metrics of ``COLUMNS`` that any checkpoint has."""
        return [metric for metric in COLUMNS if any(metric.name in c.numbers for c in self.checkpoints)]


def compare(evidence: Evidence, task: str | None = None, allow_mixed: bool = False) -> Comparison:
    """Join runs and scores, merged already, into checkpoints, and rank them within their groups.

    Raises:
        MIRReportError: several protocols, contradicting scores, or no model with both MIR and scores.
    """
    notes: list[str] = []
    runs = protocol.of_one_task(evidence.runs, task)
    others = sorted({run.task for run in evidence.runs if run.task} - {run.task for run in runs})
    models = _models(runs, allow_mixed, notes)
    joined, unmatched = _join(models, evidence.rows)
    having = [row for row in evidence.rows if row.scores or row.average is not None]
    if having and not any(c.scores or c.average is not None for c in joined):
        _refuse_no_overlap(models, having)
    problems, understood = [], []
    unmatched = [row for row in unmatched if row in having]
    if unmatched:
        names = listing(sorted(row.model for row in unmatched))
        text = f"{len(unmatched)} of the {len(having)} models with scores have no MIR under their name"
        if 2 * len(unmatched) >= len(having):
            problems.append(f"{text}: {names}.{_hint(models, unmatched)} {NAME_ALIKE}.")
        else:
            understood.append(f"{text}, and are left out: {names}.{_hint(models, unmatched)}")
    repeated = {c.name: c for c in joined if len(c.runs) > 1}.values()
    if repeated:
        ranges = listing(
            f"{c.label} of {len(c.runs)} ({min(r.mir for r in c.runs):.3f} to {max(r.mir for r in c.runs):.3f})"
            for c in repeated
        )
        understood.append(f"MIR is the mean over several runs: {ranges}.")
    unknown = [
        f"{c.label} ({listing((f'{run.mir:.3f}' for run in c.other_runs if run.pairs is None), 3)})"
        for c in {c.name: c for c in joined}.values()
        if any(run.pairs is None for run in c.other_runs)
    ]
    if unknown:
        understood.append(
            "MIR that a file gives without its number of pairs does not count beside one that has it: "
            f"{listing(unknown)}."
        )
    warnings = [
        f"The runs of {c.label} differ by more than their standard errors allow: MIR "
        f"{min(run.mir for run in c.runs):.3f} to {max(run.mir for run in c.runs):.3f}, standard error "
        f"{c.standard_error:.3f}; see whether they are of the same checkpoint and settings."
        for c in joined
        if c.runs_disagree
    ]
    notes += _without_error(joined)
    if others and task is None:
        (chosen,) = {run.task for run in runs if run.task}
        warnings.insert(0, f"MIR is that of the task {chosen}; there is also {listing(others)} (--task).")
    return Comparison(_ranked(joined), notes, [*problems, *warnings], problems, understood)


def _models(runs: Sequence[Run], allow_mixed: bool, notes: list[str]) -> list[Checkpoint]:
    by_model: dict[tuple[str | None, str], list[Run]] = {}
    groups: dict[str, set[str]] = {}
    for run in runs:
        groups.setdefault(run.model, set()).update([run.group] if run.group else [])
    for run in runs:
        # A file that names no group is of the model in every group that others name.
        named: list[str | None] = [run.group] if run.group else [*sorted(groups[run.model])]
        for group in named or [None]:
            by_model.setdefault((group, run.model), []).append(replace(run, group=group))
    usual = _usual_pairs(by_model.values())
    chosen: list[tuple[list[Run], list[Run]]] = []
    for same in by_model.values():
        if not allow_mixed:
            protocol.check_one_model(same)
        known = [run.pairs for run in same if run.pairs is not None]
        count = usual if usual in known else max(known, default=None)
        taken = [run for run in same if run.pairs == count]
        chosen.append((taken, [run for run in same if run.pairs != count]))
    if allow_mixed:
        notes.append("Protocols were not checked (--allow_mixed_protocols): some differences may be theirs.")
    else:
        protocol.check_models(taken[0] for taken, _ in chosen)
    if (count := protocol.templates(taken[0] for taken, _ in chosen)) > 1:
        notes.append(f"The models were shown the pairs in {count} different chat templates, each in its own.")
    shown = labels(run.model for run in runs)
    return [_checkpoint(taken, others, shown) for taken, others in chosen]


def _usual_pairs(models: Iterable[Sequence[Run]]) -> int | None:
    counts = Counter(n for runs in models for n in {run.pairs for run in runs} if n is not None)
    return max(counts, key=lambda n: (counts[n], n)) if counts else None


def _checkpoint(runs: list[Run], others: list[Run], shown: dict[str, str]) -> Checkpoint:
    errors = [run.standard_error for run in runs if run.standard_error is not None]
    extras = {
        name: statistics.fmean(run.extras[name] for run in runs if name in run.extras)
        for name in dict.fromkeys(name for run in runs for name in run.extras)
    }
    return Checkpoint(
        name=runs[0].model,
        label=shown[runs[0].model],
        group=runs[0].group or "",
        mir=statistics.fmean(run.mir for run in runs),
        # Not divided by the root of their number: choices of pairs by other seeds overlap.
        standard_error=math.sqrt(statistics.fmean(e * e for e in errors)) if errors else None,
        spread=statistics.stdev(run.mir for run in runs) if len(runs) > 1 else None,
        pairs=runs[0].pairs,
        runs=tuple(runs),
        other_runs=tuple(others),
        numbers={
            metric.name: statistics.fmean(run.numbers[metric.name] for run in runs)
            for metric in COLUMNS
            if all(metric.name in run.numbers for run in runs)
        },
        extras=extras,
    )


def _join(models: list[Checkpoint], rows: list[Row]) -> tuple[list[Checkpoint], list[Row]]:
    joined, unmatched, used = [], [], set()
    for row in rows:
        offered = {
            model.name: model
            for model in models
            if not row.group or not model.group or model.group == row.group
        }
        found = resolve(row.model, offered.keys())
        if found is None:
            unmatched.append(row)
            continue
        model = offered[found]
        used.add((model.group, model.name))
        joined.append(
            replace(
                model,
                group=row.group or model.group or ONE_GROUP,
                scores=row.scores,
                average=row.average,
                average_over=row.average_over,
                score_errors=row.errors,
                score_spread=row.spread,
                score_runs=row.replicates,
                score_runs_of=row.replicates_of,
                extras={**model.extras, **row.extras},
            )
        )
    rest = [m for m in models if (m.group, m.name) not in used]
    return joined + [replace(m, group=m.group or ONE_GROUP) for m in rest], unmatched


def _refuse_no_overlap(models: list[Checkpoint], rows: list[Row]) -> None:
    measured = sorted({model.name for model in models})
    scored = sorted({row.model for row in rows})
    raise MIRReportError(
        f"no model has both MIR and scores. MIR: {listing(measured)}. Scores: {listing(scored)}."
        f"{_hint(models, rows)} {NAME_ALIKE}"
    )


def _hint(models: Sequence[Checkpoint], rows: Sequence[Row]) -> str:
    """What may be meant by names that match nothing: the same model in another group, or a name that is near."""
    measured = {model.name: model for model in models}
    groups = {
        f"{model.group!r} of MIR, {row.group!r} of the scores"
        for row in rows
        if (model := measured.get(row.model)) and model.group and row.group and model.group != row.group
    }
    pairs = [
        f"{row.model} ~ {', '.join(hits)}"
        for row in rows
        if row.model not in measured and (hits := near(row.model, measured))
    ]
    found = f" The names of the groups differ: {listing(sorted(groups), 3)}." if groups else ""
    return found + (f" Near matches: {'; '.join(dict.fromkeys(pairs[:5]))}." if pairs else "")


def _without_error(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """What it means that some models of a group lack the standard error that others have."""
    lacking = [
        c
        for members in Comparison(list(checkpoints), []).groups.values()
        for c in members
        if c.uncertainty is None and any(other.uncertainty is not None for other in members)
    ]
    if not lacking:
        return []
    names = listing(c.label for c in lacking)
    return [
        f"No standard error of MIR is known of {names}, so it is not known which models they differ from."
    ]


def _ranked(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """Checkpoints by group and MIR, with their ranks within the group."""
    groups = Comparison(checkpoints, []).groups
    place = {group: number for number, group in enumerate(groups)}
    return sorted(ranked(list(groups.values())), key=lambda c: (place[c.group], c.mir))
