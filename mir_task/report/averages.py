"""The average over benchmarks: which ones, on what scale, and never over different sets without saying so."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mir_task.report.checkpoint import Checkpoint, Comparison
from mir_task.report.records import MIRReportError, listing
from mir_task.report.scales import Benchmark
from mir_task.report.score_noise import average_error

AVERAGE = "average"
ROUNDING = 0.06
"""Papers state averages to one decimal, of scores rounded to one decimal."""


@dataclass(frozen=True)
class Averaged:
    """Checkpoints with an average over named benchmarks."""

    comparison: Comparison
    over: dict[str, tuple[str, ...]]
    """By group, the benchmarks of its average; empty where the source does not say."""
    stated: dict[str, bool]
    """By group, whether the average is the source's own; otherwise it is computed here."""
    scales: dict[str, float]
    """Factors that were applied to benchmarks within averages."""
    notes: list[str]
    warnings: list[str] = field(default_factory=list)
    """What the reader has to know before the numbers."""
    without_average: list[str] = field(default_factory=list)
    """Models with scores that lack a benchmark of the average, as the reader should see it."""


def average(
    comparison: Comparison,
    benchmarks: Mapping[str, Benchmark],
    chosen: Sequence[str] = (),
    common: bool = False,
) -> Averaged:
    """Decide each checkpoint's average.

    Args:
        comparison: checkpoints with scores.
        benchmarks: every benchmark as it was understood, by name.
        chosen: average over these, whatever the source states.
        common: average over the benchmarks that all models have.

    Raises:
        MIRReportError: stated averages within a group cover different benchmarks, or no benchmark is common.
    """
    scored = [c for c in comparison.checkpoints if c.scores]
    lower = frozenset(name for name, benchmark in benchmarks.items() if benchmark.better == "lower")
    found = Averaged(comparison, {}, {}, _factors(benchmarks), [])
    if common:
        chosen = _with_scale([n for n in _order(scored) if all(n in c.scores for c in scored)], benchmarks)
        if not chosen:
            raise MIRReportError("--benchmarks common: no benchmark has a score of every model")
    result = []
    # By sentence, the groups of which it is true.
    notes: dict[str, list[str]] = {}
    warnings: dict[str, list[str]] = {}
    for group, members in comparison.groups.items():
        having = [c for c in members if c.scores or c.average is not None]
        if not chosen and having and all(c.average is not None for c in having):
            found.over[group], found.stated[group] = _stated(group, having, found.scales), True
            if without := [name for name, benchmark in benchmarks.items() if benchmark.by_user]:
                warnings.setdefault(
                    f"the averages are the table's own, so --max and --scale of {listing(without)} have no part in "
                    "them; average anew with --benchmarks common, or --benchmarks A,B.",
                    [],
                ).append(group)
            result += members
            continue
        wanted = tuple(chosen) or _wanted(having, benchmarks)
        found.over[group], found.stated[group] = wanted, False
        if not chosen:
            for note in _left_out(having, wanted, benchmarks):
                notes.setdefault(note, []).append(group)
        points = _Points(wanted, benchmarks, scored)
        if points.standardised:
            warnings.setdefault(
                f"what {listing(wanted)} are out of is not known, so the average is of standardised scores and its "
                "points are standard deviations; say it with --max NAME=VALUE.",
                [],
            ).append(group)
        lacking = [c for c in having if not set(wanted) <= c.scores.keys()]
        if any(c.average is not None for c in having) and not chosen:
            unused = "the averages that some models come with do not count, since not every model has one."
            notes.setdefault(unused, []).append(group)
        if wanted and lacking and len(lacking) < len(having):
            found.without_average.append(
                f"{group}: no average for {listing(c.label for c in lacking)}: no score in "
                f"{listing(sorted({name for c in lacking for name in wanted if name not in c.scores}))}, which the "
                f"other models were averaged over"
            )
        for c in members:
            mean = points.mean(c)
            error, freedom = average_error(c, points.factors) if mean is not None else (None, math.inf)
            result.append(
                replace(c, average=mean, average_over=wanted, average_error=error, average_freedom=freedom)
            )
    result = [replace(c, lower_is_better=lower & c.scores.keys()) for c in result]
    return replace(
        found,
        comparison=replace(comparison, checkpoints=result),
        notes=_each_once(notes),
        warnings=_each_once(warnings),
    )


def _each_once(said: Mapping[str, Sequence[str]]) -> list[str]:
    """Sentences, each with the groups of which it is true."""
    return [f"{listing(groups)}: {text}" for text, groups in said.items()]


class _Points:
    """The mean over benchmarks in points of a hundred, or standardised where a scale is not known."""

    def __init__(
        self, wanted: Sequence[str], benchmarks: Mapping[str, Benchmark], scored: Sequence[Checkpoint]
    ) -> None:
        self._benchmarks = [benchmarks[name] for name in wanted]
        unknown = any(benchmark.factor is None for benchmark in self._benchmarks)
        self.standardised = unknown and len(wanted) > 1
        self._moments: dict[str, tuple[float, float]] = {}
        for benchmark in self._benchmarks if self.standardised else ():
            values = [
                benchmark.points(c.scores[benchmark.name]) for c in scored if benchmark.name in c.scores
            ]
            self._moments[benchmark.name] = statistics.fmean(values), statistics.pstdev(values)

    @property
    def factors(self) -> dict[str, float]:
        """From a score's error to that of its part in the average, by benchmark."""
        return {
            benchmark.name: abs(benchmark.points(1.0) - benchmark.points(0.0))
            / (self._moments[benchmark.name][1] or math.inf if self.standardised else 1.0)
            for benchmark in self._benchmarks
        }

    def mean(self, checkpoint: Checkpoint) -> float | None:
        """The checkpoint's average; None if a score is missing."""
        names = [benchmark.name for benchmark in self._benchmarks]
        if not names or not all(name in checkpoint.scores for name in names):
            return None
        values = [benchmark.points(checkpoint.scores[benchmark.name]) for benchmark in self._benchmarks]
        if self.standardised:
            moments = [self._moments[name] for name in names]
            values = [
                (v - mean) / spread if spread else 0.0
                for v, (mean, spread) in zip(values, moments, strict=True)
            ]
        return sum(values) / len(values)


def pool_by_benchmarks(over: Mapping[str, tuple[str, ...]], groups: Collection[str]) -> list[list[str]]:
    """Groups whose averages cover the same named benchmarks, the largest such set first."""
    sets: dict[frozenset[str], list[str]] = {}
    for group in groups:
        if over.get(group):
            sets.setdefault(frozenset(over[group]), []).append(group)
    return sorted(sets.values(), key=len, reverse=True)


def _wanted(having: Sequence[Checkpoint], benchmarks: Mapping[str, Benchmark]) -> tuple[str, ...]:
    """What all models have, or where that is less than half of what most have, what most have."""
    scored = [c for c in having if c.scores]
    counts = Counter(name for c in scored for name in c.scores)
    most = _with_scale([name for name in _order(scored) if 2 * counts[name] > len(scored)], benchmarks)
    shared = [name for name in most if counts[name] == len(scored)]
    if 2 * len(shared) >= len(most):
        return tuple(shared)
    # Fewer benchmarks for more models, until most models have them all.
    wanted = sorted(most, key=lambda name: -counts[name])
    while 2 * sum(all(name in c.scores for name in wanted) for c in scored) <= len(scored):
        wanted.pop()
    return tuple(name for name in most if name in wanted)


def _with_scale(names: Sequence[str], benchmarks: Mapping[str, Benchmark]) -> tuple[str, ...]:
    """The benchmarks of a known scale; all of them where none is known."""
    return tuple(name for name in names if benchmarks[name].factor is not None) or tuple(names)


def _left_out(
    having: Sequence[Checkpoint], wanted: Sequence[str], benchmarks: Mapping[str, Benchmark]
) -> list[str]:
    """Why benchmarks of the group are not in its average."""
    scored = [c for c in having if c.scores]
    absent = [name for name in _order(scored) if name not in wanted]
    unscaled = [
        n for n in absent if benchmarks[n].factor is None and any(benchmarks[w].factor for w in wanted)
    ]
    incomplete = [name for name in absent if name not in unscaled]
    notes = []
    if incomplete:
        notes.append(f"{listing(incomplete)} not in the average, since not every model has a score there.")
    if unscaled:
        notes.append(
            f"{listing(unscaled)} not in the average, since what the scores are out of is not known; say it "
            f"with --max {unscaled[0]}=VALUE."
        )
    return notes


def _stated(group: str, members: Sequence[Checkpoint], factors: Mapping[str, float]) -> tuple[str, ...]:
    said = {frozenset(c.average_over): c for c in members}
    if len(said) > 1:
        a, b = list(said.values())[:2]
        raise MIRReportError(
            f"{group}: the averages cover different benchmarks ({a.label}: {listing(a.average_over) or 'not said'}; "
            f"{b.label}: {listing(b.average_over) or 'not said'}) and cannot be compared; recompute them with "
            "--benchmarks common, or name the benchmarks: --benchmarks A,B"
        )
    over = members[0].average_over
    if over:
        return over
    # The source does not say: what the table shows, if that is what it averaged.
    shown = tuple(_order(members))
    for c in members:
        values = [c.scores[name] * factors.get(name, 1.0) for name in shown if name in c.scores]
        if (
            not shown
            or len(values) < len(shown)
            or abs(sum(values) / len(values) - (c.average or 0)) > ROUNDING
        ):
            return ()
    return shown


def _factors(benchmarks: Mapping[str, Benchmark]) -> dict[str, float]:
    """Factors that are not one, and those that the user gave."""
    return {
        name: benchmark.factor
        for name, benchmark in benchmarks.items()
        if benchmark.factor is not None and (benchmark.factor != 1 or benchmark.by_user)
    }


def _order(checkpoints: Sequence[Checkpoint]) -> list[str]:
    return list(dict.fromkeys(name for c in checkpoints for name in c.scores))
