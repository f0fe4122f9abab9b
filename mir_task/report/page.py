"""Fills the templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from mir_task.report import text
from mir_task.report.analysis import Findings
from mir_task.report.figures.scatter import key
from mir_task.report.figures.style import SERIES, Drawing
from mir_task.report.gallery import Gallery
from mir_task.report.protocol import FIELDS
from mir_task.report.records import Run
from mir_task.report.schema import Fit, Regression

DARK_SERIES = ("#7fb2ee", "#f0a06c", "#7ccf9b", "#d69ad9", "#d9bd68", "#7fd0d9", "#ef8ba6", "#a6b2f5")
MOST_FILES = 40


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
        "cell": _cell,
        "sentence": text.sentence,
    }
    context: dict[str, Any] = {
        "title": title,
        "refresh": refresh,
        "findings": findings,
        "regression": regression,
        "gallery": drawings,
        "keys": {group: key(members) for group, members in findings.comparison.groups.items()},
        "checkpoints": findings.comparison.checkpoints,
        "columns": findings.comparison.columns,
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
