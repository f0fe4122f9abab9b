"""A leaderboard of one group as cells of text, from which the Markdown and the LaTeX table are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mir_task.metrics import Better
from mir_task.report.analysis import Findings
from mir_task.report.checkpoint import ONE_GROUP, Checkpoint
from mir_task.report.publish.language_models import different
from mir_task.report.publish.provenance import Provenance, provenance
from mir_task.report.text import join, number, short

ARROWS = {"lower": "↓", "higher": "↑"}


@dataclass(frozen=True)
class Column:
    """One column; its cells in the order of the board's models."""

    heading: str
    cells: list[str]
    best: list[bool]
    """Which cells are printed bold."""
    is_text: bool = False


@dataclass(frozen=True)
class Board:
    """The models of one group, lowest MIR first, all measured alike."""

    title: str
    columns: list[Column]
    notes: list[str] = field(default_factory=list)
    """What has to be known of these numbers."""

    @property
    def rows(self) -> int:
        """Number of models."""
        return len(self.columns[0].cells)


def boards(findings: Findings, cautions: Sequence[str]) -> list[Board]:
    """A board for each group, with those of the cautions that concern it."""
    groups = findings.comparison.groups
    heads = {group: {f"{group}:", f"{short(list(groups))[group]}:"} for group in groups}
    found = []
    for group, members in groups.items():
        of_others = tuple(head for other in groups if other != group for head in heads[other] - heads[group])
        notes = [note for note in cautions if not note.startswith(of_others)]
        title = "All models" if group == ONE_GROUP and len(groups) == 1 else group
        found.append(Board(title, _columns(members, findings), [*_notes(members), *notes]))
    return found


def _columns(members: Sequence[Checkpoint], findings: Findings) -> list[Column]:
    several = len(members) > 1
    across = different(members) is not None
    columns = [
        _text("rank", [c.rank_text for c in members]),
        _text("model", [c.label for c in members]),
        Column(
            "MIR ↓",
            [_with_error(c.mir, c.standard_error) for c in members],
            [several and c.rank[0] == 1 for c in members],
        ),
    ]
    for metric in findings.comparison.columns:
        columns += _column(
            metric.column or metric.name,
            members,
            lambda c, name=metric.name: c.numbers.get(name),  # type: ignore[misc]
            metric.better,
            digits=3,
            mark=across,
        )
    columns += _column("pairs", members, lambda c: c.pairs, None, digits=0, mark=False)
    for name in dict.fromkeys(name for c in members for name in c.extras):
        columns += _column(name, members, lambda c, name=name: c.extras.get(name), None)  # type: ignore[misc]
    for name in dict.fromkeys(name for c in members for name in c.scores):
        better = findings.scales[name].better if name in findings.scales else "higher"
        columns += _column(name, members, lambda c, name=name: c.scores.get(name), better)  # type: ignore[misc]
    columns += _column("average", members, lambda c: c.average, "higher")
    return columns


def _text(heading: str, cells: list[str]) -> Column:
    return Column(heading, cells, [False] * len(cells), is_text=True)


def _column(
    heading: str,
    members: Sequence[Checkpoint],
    read: Callable[[Checkpoint], float | None],
    better: Better | None,
    digits: int | None = None,
    mark: bool = True,
) -> list[Column]:
    """The column, or none where no model has the number; bold is the best of several, more than one if equal."""
    values = [read(c) for c in members]
    known = [value for value in values if value is not None]
    if not known:
        return []
    best = None
    if mark and better and len(known) > 1:
        best = min(known) if better == "lower" else max(known)
    places = _digits(known) if digits is None else digits
    return [
        Column(
            f"{heading} {ARROWS[better]}" if better else heading,
            [number(value, places) for value in values],
            [value is not None and value == best for value in values],
        )
    ]


def _digits(values: Sequence[float]) -> int:
    """As many as tell the values apart: none for whole numbers, three for fractions, one for points."""
    if all(float(value).is_integer() for value in values):
        return 0
    return 3 if max(map(abs, values)) < 10 else 1


def _with_error(value: float, error: float | None) -> str:
    return number(value) if error is None else f"{number(value)} ± {number(error)}"


def _notes(members: Sequence[Checkpoint]) -> list[str]:
    notes = [
        "↓ lower is better, ↑ higher is better. Bold is best; of MIR, all that its errors cannot tell apart."
    ]
    if any(c.standard_error is not None for c in members):
        notes.append("MIR ± its standard error over image-text pairs.")
    else:
        notes.append("The standard error of MIR is not told.")
    over = {c.average_over for c in members if c.average is not None}
    for names in sorted(over):
        notes.append(
            f"The average is over {join(names)}." if names else "What the average is over is not told."
        )
    known = [measured for c in members if (measured := provenance(c))]
    settings = {_settings(measured) for measured in known}
    notes += [f"MIR was measured by the task {line}." for line in sorted(settings)]
    if len(known) < len(members):
        notes.append("What MIR was measured on is not told of every model.")
    for c in members:
        if len(c.runs) > 1:
            notes.append(
                f"MIR of {c.label} is the mean of {len(c.runs)} runs, standard deviation {number(c.spread)}."
            )
    return notes


def _settings(measured: Provenance) -> str:
    """What the protocol was, for a note."""
    told = dict(measured.settings)
    version, seed, pairs = told.get("task_version"), told.get("seed"), told.get("pairs")
    seeds = seed if isinstance(seed, list) else [seed]
    said = [
        measured.task + (f" {version}" if version else ""),
        f"seed {join([str(one) for one in seeds])}" if seed is not None else "",
        f"{pairs} pairs" if pairs is not None else "",
        measured.dataset if measured.dataset != measured.task else "",
        f"texts cut to {told['max_text_tokens']} tokens" if "max_text_tokens" in told else "",
    ]
    return ", ".join(part for part in said if part)
