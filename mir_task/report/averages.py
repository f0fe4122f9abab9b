"""The average over benchmarks: which ones, on what scale, and never over different sets without saying so."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from mir_task.report.compare import Checkpoint, Comparison
from mir_task.report.records import MIRReportError, listing

AVERAGE = "average"
DEFAULT_SCALES = {"mme": 1 / 20}
"""MME's perception score is out of 2000."""
ROUNDING = 0.06
"""Papers state averages to one decimal, of scores rounded to one decimal."""


@dataclass(frozen=True)
class Averaged:
    """Checkpoints with scores on a common scale and an average over named benchmarks."""

    comparison: Comparison
    over: dict[str, tuple[str, ...]]
    """By group, the benchmarks of its average; empty where the source does not say."""
    stated: dict[str, bool]
    """By group, whether the average is the source's own; otherwise it is computed here."""
    scales: dict[str, float]
    """Factors that were applied to benchmarks within averages."""
    notes: list[str]


def average(
    comparison: Comparison,
    benchmarks: Sequence[str] = (),
    common: bool = False,
    scales: Mapping[str, float] | None = None,
) -> Averaged:
    """Decide each checkpoint's average.

    Args:
        comparison: checkpoints with scores.
        benchmarks: average over these, whatever the source states.
        common: average over the benchmarks that all models have.
        scales: factor of a benchmark, by name.

    Raises:
        MIRReportError: stated averages within a group cover different benchmarks, or benchmarks that no model has.
    """
    scored = [c for c in comparison.checkpoints if c.scores]
    factors = _factors(scored, scales or {})
    notes = []
    present = {name for c in scored for name in c.scores}
    chosen = tuple(benchmarks)
    if unknown := sorted(set(chosen) - present):
        raise MIRReportError(
            f"--benchmarks: no model has a score in {listing(unknown)}; there are {listing(sorted(present), 30)}"
        )
    if common:
        chosen = tuple(name for name in _order(scored) if all(name in c.scores for c in scored))
        if not chosen:
            raise MIRReportError("--benchmarks common: no benchmark has a score of every model")
    over: dict[str, tuple[str, ...]] = {}
    stated: dict[str, bool] = {}
    result = []
    for group, members in comparison.groups.items():
        having = [c for c in members if c.scores or c.average is not None]
        if not chosen and having and all(c.average is not None for c in having):
            over[group], stated[group] = _stated(group, having, factors), True
            result += members
            continue
        wanted = chosen or tuple(
            name for name in _order(having) if all(name in c.scores for c in having if c.scores)
        )
        over[group], stated[group] = wanted, False
        left_out = [name for name in _order(having) if name not in wanted]
        if left_out and not chosen:
            notes.append(
                f"{group}: {listing(left_out)} not in the average, since not every model has a score there."
            )
        for c in members:
            complete = bool(wanted) and all(name in c.scores for name in wanted)
            values = [c.scores[name] * factors.get(name, 1.0) for name in wanted] if complete else []
            result.append(
                replace(c, average=sum(values) / len(values) if values else None, average_over=wanted)
            )
    return Averaged(Comparison(result, comparison.notes), over, stated, factors, notes)


def pool_by_benchmarks(over: Mapping[str, tuple[str, ...]], groups: Collection[str]) -> list[list[str]]:
    """Groups whose averages cover the same named benchmarks, the largest such set first."""
    sets: dict[frozenset[str], list[str]] = {}
    for group in groups:
        if over.get(group):
            sets.setdefault(frozenset(over[group]), []).append(group)
    return sorted(sets.values(), key=len, reverse=True)


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


def _factors(checkpoints: Sequence[Checkpoint], scales: Mapping[str, float]) -> dict[str, float]:
    found = {}
    for name in _order(checkpoints):
        if name in scales:
            found[name] = scales[name]
        elif name.lower() in DEFAULT_SCALES:
            found[name] = DEFAULT_SCALES[name.lower()]
        elif all(0 <= c.scores[name] <= 1 for c in checkpoints if name in c.scores):
            found[name] = 100.0  # lmms-eval gives most accuracies as fractions
    return found


def _order(checkpoints: Sequence[Checkpoint]) -> list[str]:
    return list(dict.fromkeys(name for c in checkpoints for name in c.scores))
