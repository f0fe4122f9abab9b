"""Joins runs and scores into checkpoints: one MIR, one set of scores each; ranks them and marks ties."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mir_task.report import protocol
from mir_task.report.checkpoint import COLUMNS, ONE_GROUP, Checkpoint, Comparison
from mir_task.report.names import labels, resolve
from mir_task.report.records import Evidence, Row, Run, listing
from mir_task.report.ties import ranked
from mir_task.report.unmatched import refuse_no_overlap, said_of_unmatched


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
        refuse_no_overlap(models, having)
    problems, understood = said_of_unmatched(models, [row for row in unmatched if row in having], len(having))
    understood += _said_of_runs(joined)
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


def _said_of_runs(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """Sentences: of which models MIR is a mean, and which runs do not count."""
    found = []
    once = {c.name: c for c in checkpoints}.values()
    repeated = [c for c in once if len(c.runs) > 1]
    if repeated:
        ranges = listing(
            f"{c.label} of {len(c.runs)} ({min(r.mir for r in c.runs):.3f} to {max(r.mir for r in c.runs):.3f})"
            for c in repeated
        )
        found.append(f"MIR is the mean over several runs: {ranges}.")
    unknown = [
        f"{c.label} ({listing((f'{run.mir:.3f}' for run in c.other_runs if run.pairs is None), 3)})"
        for c in once
        if any(run.pairs is None for run in c.other_runs)
    ]
    if unknown:
        found.append(
            "MIR that a file gives without its number of pairs does not count beside one that has it: "
            f"{listing(unknown)}."
        )
    return found


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
