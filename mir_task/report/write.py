"""Writes the report's files."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from mir_task.report.analysis import Findings
from mir_task.report.atomic import replace_text
from mir_task.report.gallery import gallery
from mir_task.report.page import render
from mir_task.report.schema import Regression

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
PACKAGES = ("mir-task", "scipy", "statsmodels", "numpy", "pandas", "matplotlib")


def write(findings: Findings, output: Path, title: str | None = None, refresh: int | None = None) -> Path:
    """Write report.html, report.md, leaderboard.csv, regression.json and figures/.

    Args:
        findings: what to say.
        output: the folder.
        title: title of the page.
        refresh: seconds after which an open page reloads itself; None: it does not.

    Returns:
        The path of report.html.

    Raises:
        OSError: a file cannot be written.
    """
    drawings = gallery(findings)
    regression = regression_of(findings)
    pages = render(findings, drawings, regression, title or _title(findings), refresh)
    figures = output / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for old in [*figures.glob("*.svg"), *figures.glob("*.png")]:
        old.unlink()  # left by an earlier report with other groups
    for drawing in drawings.drawings.values():
        (figures / f"{drawing.name}.svg").write_text(drawing.svg, encoding="utf-8")
        if drawing.png:
            (figures / f"{drawing.name}.png").write_bytes(drawing.png)
    without_formulas(leaderboard(findings)).to_csv(output / "leaderboard.csv", index=False)
    replace_text(output / "regression.json", regression.model_dump_json(indent=1) + "\n")
    replace_text(output / "report.md", pages.markdown)
    return replace_text(output / "report.html", pages.html)


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy in which no name is a formula to a spreadsheet: an apostrophe stands before it."""

    def text(value: Any) -> Any:
        return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value

    return frame.rename(columns=text).map(text)


def _title(findings: Findings) -> str:
    if findings.fits:
        return "How far can MIR be trusted to predict SFT scores?"
    return "How well are vision and text integrated before SFT?"


def regression_of(findings: Findings) -> Regression:
    """The findings as ``regression.json`` has them."""
    return Regression(
        decision=findings.decision,
        verdict=findings.verdict.all,
        groups=findings.fits,
        combined=findings.combined,
        pooled=findings.pool,
        benchmarks=findings.benchmarks,
        baselines=findings.baselines,
        trainings=[training.course for training in findings.trainings],
        against=findings.against,
        predictions=findings.predictions,
        skipped=[str(skipped) for skipped in findings.evidence.skipped],
        notes=findings.notes,
        versions=_versions(),
    )


def leaderboard(findings: Findings) -> pd.DataFrame:
    """A row for each model in each group, lowest MIR first, with everything known of it."""
    several = any(c.score_runs > 1 for c in findings.comparison.checkpoints)
    rows: list[dict[str, Any]] = [
        {
            "group": c.group,
            "rank": c.rank[0],
            "rank_at_worst": c.rank[1],
            "model": c.name,
            "mir": c.mir,
            "standard_error": c.standard_error,
            "spread_over_runs": c.spread,
            **{metric.name: c.numbers.get(metric.name) for metric in findings.comparison.columns},
            "pairs": c.pairs,
            "runs": len(c.runs),
            **({"sft_runs": c.score_runs} if several else {}),
            "average": c.average,
            "average_over": ";".join(c.average_over),
            **c.extras,
            **c.scores,
            **{f"{name}_stderr": error for name, error in c.score_errors.items()},
            **{f"{name}_spread": spread for name, spread in c.score_spread.items()},
        }
        for c in findings.comparison.checkpoints
    ]
    return pd.DataFrame(rows)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
