"""Whether scores of one benchmark may be compared: the same version of its task, on the same number of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from mir_task.report.records import MIRReportError, Row

WAY_OUT = (
    "score the models alike and remove the other file, leave the benchmark out with --ignore {name}, or compare all "
    "the same with --allow_mixed_protocols"
)
ALL_SAMPLES = "on all samples"


def check_scores(rows: Sequence[Row], allow_mixed: bool) -> list[str]:
    """Refuse scores of one benchmark that lmms-eval's files say were made differently.

    Args:
        rows: one for each run of SFT.
        allow_mixed: compare scores of different samples and versions all the same.

    Returns:
        Notes: benchmarks of which all models were scored on the same part.

    Raises:
        MIRReportError: naming the benchmark, the two models and what differs. Different metrics, and metrics of which
            different ends are better, are refused in any case.
    """
    notes = []
    for name in dict.fromkeys(name for row in rows for name in row.scores):
        having = [row for row in rows if name in row.scores]
        _refuse_differing(name, having, _metric, f"choose one with --metric {name}=METRIC")
        _refuse_differing(name, having, _direction, f"leave the benchmark out with --ignore {name}")
        if not allow_mixed:
            _refuse_differing(name, having, _samples, WAY_OUT.format(name=name))
            _refuse_differing(name, having, _version, WAY_OUT.format(name=name))
        limited = next((row for row in having if not row.is_whole(name)), None)
        if limited:
            part = f"on {limited.samples[name][0]} of its {limited.samples[name][1]} samples"
            notes.append(f"{name} was scored {part if name in limited.samples else 'on a part'} (--limit).")
    return notes


def _refuse_differing(
    name: str, rows: Sequence[Row], told: Callable[[str, Row], str | None], way_out: str
) -> None:
    """Refuse rows of which something different is told; those of which nothing is told may be like any other."""
    rows = sorted(rows, key=lambda row: not row.is_whole(name))  # of a tie, the whole is the usual
    counts = Counter(text for row in rows if (text := told(name, row)) is not None)
    if len(counts) > 1 and ALL_SAMPLES in counts:
        # A file that tells no number of samples had all that there are, as others of all samples had.
        whole = next((text for text in counts if text.startswith("on all") and text != ALL_SAMPLES), None)
        if whole is not None:
            counts[whole] += counts.pop(ALL_SAMPLES)
    if len(counts) < 2:
        return
    usual = counts.most_common(1)[0][0]
    one = next(row for row in rows if told(name, row) == usual)
    other = next(row for row in rows if told(name, row) in counts and told(name, row) != usual)
    raise MIRReportError(
        f"scores of {name} cannot be compared: {_label(other)} was scored {told(name, other)} ({other.where}), "
        f"{_label(one)} {usual} ({one.where}); {way_out}"
    )


def _label(row: Row) -> str:
    return repr(row.scored or row.model)


def _samples(name: str, row: Row) -> str | None:
    if name in row.samples:
        scored, total = row.samples[name]
        return f"on all {total} samples" if scored >= total else f"on {scored} of {total} samples (--limit)"
    if name in row.limits:
        limit = row.limits[name]
        return ALL_SAMPLES if limit is None else f"with --limit {limit:g}"
    return None


def _version(name: str, row: Row) -> str | None:
    return f"by version {row.versions[name]} of the task" if name in row.versions else None


def _metric(name: str, row: Row) -> str | None:
    return f"by {row.metrics[name]}" if name in row.metrics else None


def _direction(name: str, row: Row) -> str | None:
    return f"with {row.better[name]} as better" if name in row.better else None
