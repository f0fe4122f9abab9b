"""Whether scores of one benchmark may be compared: the same version of its task, on the same number of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from mir_task.report.records import MIRReportError, Row

WAY_OUT = (
    "score the models alike and remove the other file, leave the benchmark out with --ignore {name}, or compare all "
    "the same with --allow_mixed_protocols"
)


def check_scores(rows: Sequence[Row], allow_mixed: bool) -> list[str]:
    """Refuse scores of one benchmark that lmms-eval's files say were made differently.

    Returns:
        Notes: benchmarks of which all models were scored on the same part.

    Raises:
        MIRReportError: naming the benchmark, the two models and what differs; never where ``allow_mixed``.
    """
    notes = []
    for name in dict.fromkeys(name for row in rows for name in row.scores):
        if not allow_mixed:
            _refuse_differing(name, [row for row in rows if name in row.samples], _samples)
            _refuse_differing(name, [row for row in rows if name in row.versions], _version)
        limited = next((row for row in rows if name in row.scores and not row.is_whole(name)), None)
        if limited:
            scored, total = limited.samples[name]
            notes.append(f"{name} was scored on {scored} of its {total} samples (--limit).")
    return notes


def _refuse_differing(name: str, rows: Sequence[Row], told: Callable[[str, Row], str]) -> None:
    rows = sorted(rows, key=lambda row: not row.is_whole(name))  # of a tie, the whole is the usual
    counts = Counter(told(name, row) for row in rows)
    if len(counts) < 2:
        return
    usual = counts.most_common(1)[0][0]
    one = next(row for row in rows if told(name, row) == usual)
    other = next(row for row in rows if told(name, row) != usual)
    raise MIRReportError(
        f"scores of {name} cannot be compared: {other.model!r} was scored {told(name, other)} ({other.source}), "
        f"{one.model!r} {usual} ({one.source}); {WAY_OUT.format(name=name)}"
    )


def _samples(name: str, row: Row) -> str:
    scored, total = row.samples[name]
    return f"on all {total} samples" if row.is_whole(name) else f"on {scored} of {total} samples (--limit)"


def _version(name: str, row: Row) -> str:
    return f"by version {row.versions[name]} of the task"
