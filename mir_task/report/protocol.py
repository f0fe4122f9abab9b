"""Whether measurements may be compared: one task, one choice of pairs, one way of showing them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mir_task.report.names import not_found
from mir_task.report.records import MIRReportError, Run

FIELDS = ("task_version", "paired", "max_text_tokens")
"""Fields of the protocol that must be equal for all models; the chat template, which is the model's own, for one."""
BUILT_IN = "mir_builtin"
"""Task on the pairs that come with the package."""
WAY_OUT = "; remove the files of one protocol, or compare all the same with --allow_mixed_protocols"


def of_one_task(runs: Sequence[Run], task: str | None) -> list[Run]:
    """The runs of the task that the user names, or of :func:`usual_task`; those that name no task are of any.

    Raises:
        MIRReportError: several tasks, none named and none usual, or none of that name.
    """
    tasks = Counter(run.task for run in runs if run.task)
    if task is not None:
        chosen = [run for run in runs if run.task == task]
        if not chosen:
            raise MIRReportError(not_found("--task", task, tasks, "MIR of a task"))
        return chosen
    usual = usual_task(runs)
    if len(tasks) > 1 and usual is not None:
        return [run for run in runs if run.task in (None, usual)]
    if len(tasks) > 1:
        counts = ", ".join(f"{name} ({count} files)" for name, count in sorted(tasks.items()))
        raise MIRReportError(
            f"MIR of several tasks, whose numbers are not comparable: {counts}; choose one with --task"
        )
    return list(runs)


def usual_task(runs: Sequence[Run]) -> str | None:
    """The task that most models were measured by; the built-in pairs, a demonstration, give way to a user's own.

    Returns:
        None if there is no such task.
    """
    models: dict[str, set[str]] = {}
    for run in runs:
        if run.task:
            models.setdefault(run.task, set()).add(run.model)
    most = max(map(len, models.values()), default=0)
    first = [task for task, measured in models.items() if len(measured) == most]
    own = [task for task in first if task != BUILT_IN]
    return own[0] if len(own) == 1 else first[0] if len(first) == 1 else None


def check_one_model(runs: Sequence[Run]) -> None:
    """Refuse runs of one model that differ in more than seed and number of pairs.

    Raises:
        MIRReportError: naming the two files and what differs.
    """
    for run in runs[1:]:
        differing = _differences(runs[0], run) + _template_differences(runs[0], run)
        if differing:
            raise MIRReportError(
                f"the model {run.model!r} was measured under different protocols: {runs[0].source} and "
                f"{run.source} differ in {', '.join(differing)}{WAY_OUT}"
            )


def check_models(runs: Iterable[Run]) -> None:
    """Refuse models whose measurements differ in data, settings or number of pairs.

    Raises:
        MIRReportError: naming the two models and what differs.
    """
    runs = list(runs)
    by_pairs = Counter(run.pairs for run in runs if run.pairs is not None)
    if len(by_pairs) > 1:
        usual = by_pairs.most_common(1)[0][0]
        other = next(run for run in runs if run.pairs not in (None, usual))
        raise MIRReportError(
            f"the models were measured on different numbers of pairs (most on {usual}, {other.model!r} on "
            f"{other.pairs}: {other.source}), and fewer pairs give a higher MIR{WAY_OUT}"
        )
    known = [run for run in runs if (run.result and run.result.protocol) or run.settings]
    for run in known[1:]:
        differing = _differences(known[0], run)
        if differing:
            raise MIRReportError(
                f"the models {known[0].model!r} and {run.model!r} were measured under different protocols: "
                f"{known[0].source} and {run.source} differ in {', '.join(differing)}{WAY_OUT}"
            )


def templates(runs: Iterable[Run]) -> int:
    """How many chat templates the models were shown the pairs in."""
    return len({run.result.protocol.template_sha256 for run in runs if run.result and run.result.protocol})


def _differences(a: Run, b: Run) -> list[str]:
    found = ["task"] if a.task and b.task and a.task != b.task else []
    first, second = a.result and a.result.protocol, b.result and b.result.protocol
    if not first or not second:
        told = _told(a), _told(b)
        return found + [name for name in told[0] if told[0][name] != told[1].get(name, told[0][name])]
    found += [name for name in FIELDS if getattr(first, name) != getattr(second, name)]
    if first.seed == second.seed and a.pairs == b.pairs:
        # The same choice must be the same pairs, wherever on a machine they lie.
        if sorted(first.pair_ids) != sorted(second.pair_ids):
            found.append("pairs")
    else:
        found += [name for name in ("images", "texts") if getattr(first, name) != getattr(second, name)]
    return found


def _told(run: Run) -> dict[str, str]:
    """What a per-layer file, or else lmms-eval's file, says of the fields that must be equal."""
    protocol = run.result and run.result.protocol
    if not protocol:
        return dict(run.settings)
    told = {name: getattr(protocol, name) for name in ("task_version", "max_text_tokens")}
    return {name: str(value) for name, value in told.items() if value is not None}


def _template_differences(a: Run, b: Run) -> list[str]:
    first, second = a.result and a.result.protocol, b.result and b.result.protocol
    if not first or not second or first.template_sha256 == second.template_sha256:
        return []
    return ["chat template"]
