"""Checkpoints as the report compares them: one MIR, one set of scores each, in groups."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from scipy import stats

from mir_task.metrics import MIR_METRICS, MIRMetric
from mir_task.report.records import Run
from mir_task.result import MIRResult

COLUMNS = [metric for metric in MIR_METRICS if metric.column]
"""Metrics that the leaderboard shows beside MIR, its standard error and the pairs."""
DISAGREEMENT = 0.001
"""Runs that differ by as much as theirs do less often than this by chance are said to disagree."""
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
