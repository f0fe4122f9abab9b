"""Fills the templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from mir_task.report import text
from mir_task.report.analysis import Findings
from mir_task.report.columns import PROGRESS
from mir_task.report.figures.scatter import key
from mir_task.report.figures.style import DARK_SERIES, SERIES, Drawing, marker
from mir_task.report.gallery import Gallery
from mir_task.report.live import data, model_keys, policy, scripts
from mir_task.report.protocol import FIELDS
from mir_task.report.records import Run
from mir_task.report.schema import Fit, Regression
from mir_task.report.trust import Doubt

MOST_FILES = 40
CANDIDATE_COLUMNS = {"p_best": "P(best)", "expected_loss": "Expected loss", "predicted": "Predicted"}
"""What the decision knows of a checkpoint that could be chosen, and the heading of its column."""
MOST_PROBLEMS = 3
FEW_COLUMNS = 4
"""Benchmarks and other numbers that the leaderboard has room for on an upright sheet of paper."""
MANY_GROUPS = 12
"""Tables with a row for each group are folded where there are more."""


@dataclass(frozen=True)
class Pages:
    """The report as text in two formats."""

    html: str
    markdown: str


def render(
    findings: Findings, drawings: Gallery, regression: Regression, title: str, refresh: int | None = None
) -> Pages:
    """The report as HTML and as Markdown; ``refresh``: seconds after which an open page reloads itself."""
    environment = Environment(
        loader=PackageLoader("mir_task.report"),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "num": text.number,
        "interval": text.interval,
        "p": text.p_value,
        "p_exactly": text.p_exactly,
        "percent": text.percent,
        "shares": text.percent_interval,
        "inline": _inline,
        "brief": text.brief,
        "marker": marker,
        "cell": _cell,
        "sentence": text.sentence,
    }
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    texts = scripts()
    context: dict[str, Any] = {
        "title": title,
        "refresh": refresh,
        "findings": findings,
        "regression": regression,
        "gallery": drawings,
        "keys": {group: key(members) for group, members in findings.comparison.groups.items()},
        "checkpoints": findings.comparison.checkpoints,
        "columns": findings.comparison.columns,
        "headline": findings.decision.sentence,
        "reasons": findings.verdict.reasons,
        "details": findings.verdict.details,
        "doubts": findings.doubts,
        **_leaderboard(findings),
        "variants": list(dict.fromkeys(name for chart in drawings.groups for name in chart.variants)),
        "live": {chart.name for chart in drawings.live},
        "data": data(drawings.live, findings.comparison.checkpoints),
        "scripts": [Markup(script) for script in texts],
        "policy": policy(texts),
        "most_problems": MOST_PROBLEMS,
        "few_columns": FEW_COLUMNS,
        "many": MANY_GROUPS,
        "groups": findings.comparison.groups,
        "short": text.short(list(findings.comparison.groups)),
        "benchmark_table": benchmark_table(findings.benchmarks),
        "protocol": protocol_facts([run for c in findings.comparison.checkpoints for run in c.runs]),
        "software": software(findings.evidence.runs),
        "most_files": MOST_FILES,
        "series": list(zip(SERIES, DARK_SERIES, strict=True)),
    }
    return Pages(
        environment.get_template("report.html.jinja").render(context),
        environment.get_template("report.md.jinja").render(context),
    )


def without_reload(page: str) -> str:
    """The HTML of a page without the line by which it reloads itself when open."""
    return re.sub(r'<meta http-equiv="refresh"[^>]*>\n?', "", page, count=1)


def _leaderboard(findings: Findings) -> dict[str, Any]:
    """What the leaderboard shows beside MIR, by name of the column."""
    checkpoints = findings.comparison.checkpoints
    extras = {name: PROGRESS.get(name, "") for c in checkpoints for name in c.extras}
    candidates = _candidates(findings)
    known = {name for values in candidates.values() for name, value in values.items() if value is not None}
    return {
        "recommended": {
            (group, name) for group, names in findings.decision.choices.items() for name in names
        },
        "model_keys": model_keys(checkpoints),
        "tags": _tags(findings.doubts),
        "candidates": candidates,
        "candidate_columns": {name: column for name, column in CANDIDATE_COLUMNS.items() if name in known},
        "extras": dict(sorted(extras.items(), key=lambda item: item[0] not in PROGRESS)),
        "scores": _digits(c.scores for c in checkpoints),
    }


def _digits(scores: Iterable[Mapping[str, float]]) -> dict[str, int]:
    """Digits after the point by benchmark, whose scores may be out of one, of a hundred or of thousands."""
    largest: dict[str, float] = {}
    for of_model in scores:
        for name, value in of_model.items():
            largest[name] = max(abs(value), largest.get(name, 0.0))
    return {name: 3 if value <= 1 else 1 if value < 1000 else 0 for name, value in largest.items()}


def _candidates(findings: Findings) -> dict[tuple[str, str], dict[str, Any]]:
    """What the decision says of each checkpoint, by group and name."""
    return {(each.group, each.model): each.model_dump() for each in findings.decision.candidates}


def _tags(doubts: Sequence[Doubt]) -> dict[str, dict[str, str]]:
    """Short names of the reasons to doubt a model's MIR with what they mean, by its name."""
    found: dict[str, dict[str, str]] = {}
    for doubt in doubts:
        for each in doubt.concerned:
            found.setdefault(each.model, {})[doubt.tag] = each.sentence
    return found


def benchmark_table(fits: Sequence[Fit]) -> dict[str, dict[str, Fit]]:
    """Fits by benchmark, then by group."""
    found: dict[str, dict[str, Fit]] = {}
    for fit in fits:
        found.setdefault(fit.score, {})[fit.group] = fit
    return found


def protocol_facts(runs: Sequence[Run]) -> dict[str, str]:
    """What the measurements have in common, and the values of what they do not."""
    facts: dict[str, set[str]] = {}
    for run in runs:
        protocol = run.result.protocol if run.result else None
        known: dict[str, object] = {"task": run.task, "pairs": run.pairs}
        if protocol:
            known |= {
                name: getattr(protocol, name) for name in (*FIELDS, "seed", "images", "texts", "template")
            }
        for name, value in known.items():
            if value is not None:
                facts.setdefault(name, set()).add(str(value))
    return {name.replace("_", " "): ", ".join(sorted(values)[:6]) for name, values in facts.items()}


def software(runs: Sequence[Run]) -> dict[str, str]:
    """Versions that the measurements were made with."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for name, version in (run.result.versions if run.result else {}).items():
            found.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _inline(drawing: Drawing) -> Markup:
    # No other markup goes into the page unescaped; matplotlib escapes the names that it writes.
    return Markup(drawing.inline)


def _cell(value: object) -> str:
    """Text for a cell of a Markdown table, which no name in it can end."""
    return str(value).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
