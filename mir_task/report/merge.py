"""One row of scores for each model: the newest of reruns, the mean over seeds, and nothing that contradicts itself."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mir_task.report.columns import AVERAGE
from mir_task.report.names import resolve
from mir_task.report.records import MIRReportError, Row, Run, listing

ROUNDING = 2e-3
"""Relative difference up to which a fraction and a per cent are the same score, rounded."""


@dataclass(frozen=True)
class Merged:
    """Rows of scores, one for each model and group, and what was done to get there."""

    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)
    """The same before the mean over several runs of SFT was taken: one row for each."""


def merged(rows: Iterable[Row], models: Iterable[Run] = ()) -> Merged:
    """Merge the rows of each model and group.

    Scores of one fine-tuned model from several of lmms-eval's files are reruns: the whole one wins over one with
    ``--limit``, then the newest. Rows that differ in seed or fine-tuned model are replicates, and averaged. What no
    seed tells apart, such as a table of other benchmarks, is of all of a model's replicates.

    Args:
        rows: as the files have them.
        models: runs of MIR, whose names for the models count.

    Raises:
        MIRReportError: two scores of one model that are neither, or a name that could be several models'.
    """
    by_model: dict[tuple[str | None, str], list[Row]] = {}
    models = list(models)
    rows = _named_alike(rows, models)
    groups: dict[str, dict[str, None]] = {}
    for model, group in [(row.model, row.group) for row in rows] + [(run.model, run.group) for run in models]:
        groups.setdefault(model, {}).update({group: None} if group else {})
    for row in rows:
        # A file that names no group is of the model in every group that others name.
        its_groups: list[str | None] = [row.group] if row.group else [*groups[row.model]]
        for group in its_groups or [None]:
            by_model.setdefault((group, row.model), []).append(replace(row, group=group))
    reruns: list[str] = []
    found, runs = [], []
    for same in by_model.values():
        replicates: dict[tuple[str | None, str | None], list[Row]] = {}
        for row in same:
            replicates.setdefault((row.scored, row.replicate), []).append(row)
        of_all = replicates.pop((None, None), [])
        each = [_of_one_run(one, reruns) for one in replicates.values()]
        runs += each or of_all
        # A table may state the mean over the runs, rounded.
        shared = _of_one_run(of_all, reruns) if of_all else None
        if each and shared:
            found.append(_joined(mean_of(each), shared, reruns, rounded=len(each) > 1))
        else:
            found.append(shared or mean_of(each))
    notes = []
    if reruns:
        notes.append(
            f"Of scores that several files have, the newest of the same model counts: {listing(reruns)}."
        )
    averaged = [row for row in found if row.replicates > 1]
    if averaged:
        notes.append(f"Scores are means over several runs of SFT: {listing(map(_replicated, averaged))}.")
    return Merged(found, notes, runs)


def _named_alike(rows: Iterable[Row], models: Sequence[Run]) -> list[Row]:
    """The rows under the names that runs of MIR give their models, where there is one."""
    names: dict[str | None, set[str]] = {}
    for run in models:
        names.setdefault(run.group, set()).add(run.model)
    everything = set().union(*names.values())
    found = []
    for row in rows:
        offered = names.get(None, set()) | names.get(row.group, set()) if row.group else everything
        found.append(replace(row, model=resolve(row.model, offered) or row.model))
    return found


def _of_one_run(rows: Sequence[Row], reruns: list[str]) -> Row:
    """The row of one fine-tuned model, with the benchmarks of all its files; reruns are noted."""
    ordered = sorted(rows, key=lambda row: row.date)
    result = ordered[0]
    for row in ordered[1:]:
        result = _joined(result, row, reruns)
    return result


def _joined(before: Row, row: Row, reruns: list[str], rounded: bool = False) -> Row:
    """One row of two; ``rounded``: scores may differ by rounding, and the first counts."""
    scores, extras = dict(before.scores), dict(before.extras)
    kept: set[str] = set()
    for name, value in row.scores.items():
        known = scores.get(name)
        if known is None or known == value:
            scores[name] = value
        elif rounded and math.isclose(known, value, rel_tol=ROUNDING):
            kept.add(name)
        elif before.date and row.date:
            winner = before if before.is_whole(name) and not row.is_whole(name) else row
            if winner is before:
                kept.add(name)
            else:
                scores[name] = value
            loser = row if winner is before else before
            reruns.append(f"{name} of {row.scored or row.model} from {winner.source}, not {loser.source}")
        elif (percent := _same_in_percent(known, value)) is not None:
            scores[name] = percent
            if percent == known:
                row = _in_percent(row, name)
            else:
                before = _in_percent(before, name)
        else:
            _refuse(before, row, name, known, value)
    for name, value in row.extras.items():
        if extras.setdefault(name, value) != value:
            _refuse(before, row, name, extras[name], value, "numbers")
    average = before.average if row.average is None else row.average
    if before.average is not None and row.average is not None and before.average != row.average:
        average = _same_in_percent(before.average, row.average)
        if average is None:
            if not rounded or not math.isclose(before.average, row.average, rel_tol=ROUNDING):
                _refuse(before, row, AVERAGE, before.average, row.average)
            average = before.average
        elif average == before.average:
            row = _in_percent(row, AVERAGE)
        else:
            before = _in_percent(before, AVERAGE)

    def both(of: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
        return {**of(before), **{name: told for name, told in of(row).items() if name not in kept}}

    return replace(
        before,
        scores=scores,
        extras=extras,
        average=average,
        average_over=before.average_over or row.average_over,
        errors=both(lambda r: r.errors),
        better=both(lambda r: r.better),
        metrics=both(lambda r: r.metrics),
        samples=both(lambda r: r.samples),
        limits=both(lambda r: r.limits),
        versions=both(lambda r: r.versions),
        spread=both(lambda r: r.spread),
        date=max(before.date, row.date),
        scored=before.scored or row.scored,
        replicates=max(before.replicates, row.replicates),
        replicates_of=both(lambda r: r.replicates_of),
    )


def mean_of(rows: Sequence[Row]) -> Row:
    """The mean over replicates, benchmark by benchmark, with the standard deviation."""
    if len(rows) == 1:
        return rows[0]
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in _with_average(row).items():
            values.setdefault(name, []).append(value)
    errors = {
        name: math.sqrt(statistics.fmean(row.errors[name] ** 2 for row in rows if name in _with_average(row)))
        for name in values
        if all(name in row.errors for row in rows if name in _with_average(row))
    }
    spread = {name: statistics.stdev(each) for name, each in values.items() if len(each) > 1}
    # Files may tell runs apart in different ways, each for other benchmarks.
    count = max(map(len, values.values()), default=1)
    averages = values.pop(AVERAGE, [])
    result = rows[0]
    for row in rows[1:]:
        result = replace(
            result,
            better={**row.better, **result.better},
            metrics={**row.metrics, **result.metrics},
            samples={**row.samples, **result.samples},
            limits={**row.limits, **result.limits},
            versions={**row.versions, **result.versions},
            average_over=result.average_over or row.average_over,
        )
    extras: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.extras.items():
            extras.setdefault(name, []).append(value)
    return replace(
        result,
        scores={name: statistics.fmean(each) for name, each in values.items()},
        errors=errors,
        spread=spread,
        average=statistics.fmean(averages) if averages else None,
        extras={name: statistics.fmean(each) for name, each in extras.items()},
        replicates=count,
        replicates_of={name: len(each) for name, each in values.items() if len(each) < count},
    )


def _with_average(row: Row) -> dict[str, float]:
    return row.scores if row.average is None else {**row.scores, AVERAGE: row.average}


def _same_in_percent(a: float, b: float) -> float | None:
    """The per cent, where one number is the other as a fraction, rounded; None otherwise."""
    low, high = sorted((a, b))
    same = 0 < low <= 1 < high and math.isclose(100 * low, high, rel_tol=ROUNDING)
    return high if same else None


def _in_percent(row: Row, name: str) -> Row:
    """The row with what it says of the noise of a score, which was a fraction, in per cent."""
    errors, spread = (
        {**told, name: 100 * told[name]} if name in told else told for told in (row.errors, row.spread)
    )
    return replace(row, errors=errors, spread=spread)


def _replicated(row: Row) -> str:
    spread = ", ".join(f"{name} ± {value:.3g}" for name, value in list(row.spread.items())[:3])
    return f"{row.model} over {row.replicates}" + (f" (standard deviation: {spread})" if spread else "")


def _refuse(before: Row, row: Row, name: str, known: float, value: float, what: str = "scores") -> None:
    raise MIRReportError(
        f"two {what} of {row.model!r} in {name}: {known:g} ({before.where}) and {value:g} ({row.where}); remove one, "
        "or tell runs of different seeds apart by a column 'seed'"
    )
