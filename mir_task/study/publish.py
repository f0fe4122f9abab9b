"""``python -m mir_task.study.publish``: from a study's folder to the results that are kept with the code."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from mir_task.report.cli import main as mir_report
from mir_task.report.figures.style import Drawing
from mir_task.study import properties
from mir_task.study.figures import against_score, along
from mir_task.study.layout import Layout
from mir_task.study.numbers import TASK
from mir_task.study.page import page
from mir_task.study.table import read_models
from mir_task.study.training import training_seconds

KEPT = (
    "results",
    "configs",
    "versions",
    "n-shot",
    "higher_is_better",
    "n-samples",
    "config",
    "date",
    "model_name",
    "model_source",
    "lmms_eval_version",
    "total_evaluation_time_seconds",
)
"""Keys of lmms-eval's files that are kept; the rest describes the machine, or repeats."""
FINDINGS = "findings.md"
"""Prose in the output folder, written by hand, that becomes a section of the page."""
PAGE = "tables.md"
CURVE_ROWS = 100
"""Rows, about, that a curve is thinned to."""
DIGITS = 5
"""Significant digits in tables."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish a study."""
    parser = argparse.ArgumentParser(prog="python -m mir_task.study.publish", description=__doc__)
    parser.add_argument("study", type=Path, help="output folder of python -m mir_task.study")
    parser.add_argument(
        "--output", type=Path, help="default: results/study, or results/smollm2 for SCALE=real"
    )
    parser.add_argument("--machine", default="two CPU cores", help="what it ran on, in words")
    given = parser.parse_args(arguments)
    publish(Layout(given.study), given.output, given.machine)
    return 0


def room(settings: dict[str, Any]) -> str:
    """Name of the folder below ``results`` that a study of these settings is published in."""
    return "smollm2" if isinstance(settings["language"], str) else "study"


def publish(layout: Layout, output: Path | None, machine: str) -> None:
    """Write tables, page, report and figures below ``output``; those of an earlier call are replaced.

    Args:
        layout: folders of a study, finished or not; only complete runs are published.
        output: receives the files; None: the study's room below ``results``.
        machine: machine that the study ran on, in words.
    """
    settings = json.loads(layout.settings.read_text())
    output = output or Path("results", room(settings))
    for name in ("mir", "sft", "baselines", "matched", "curves", "figures"):
        shutil.rmtree(output / name, ignore_errors=True)
    output.mkdir(parents=True, exist_ok=True)
    models = read_models(layout.models)
    complete = set(models["model"])
    _copy_results(layout, output, complete)
    hours = copy_curves(layout.curves, output / "curves", complete)
    measured = layout.properties / properties.FILE
    property_table = pd.read_csv(measured) if measured.exists() else None
    _write_table(models, output / layout.models.name)
    _write_table(percent(pd.read_csv(layout.table)), output / layout.table.name)
    along_table = pd.read_csv(layout.along_table) if layout.along_table.exists() else None
    if along_table is not None:
        _write_table(along_table, output / layout.along_table.name)
    if property_table is not None:
        _write_table(property_table, output / measured.name)
    findings = output / FINDINGS
    facts = {
        "settings": settings,
        "hours": hours,
        "title": title(settings),
        "machine": machine,
        "findings": findings.read_text().strip() if findings.exists() else None,
    }
    (output / PAGE).write_text(page(models, property_table, along_table, facts))
    # The report deletes the figures that it finds, so the study's own come after it.
    options = {
        "--output": str(output),
        "--task": TASK,
        "--baseline": "caption_ppl",
        "--title": title(settings),
    }
    mir_report([str(output / "mir"), str(output / layout.table.name), *chain(*options.items())])
    _draw(models, output / "figures")


def title(settings: dict[str, Any]) -> str:
    """Title of a study's report and page: which language model it is around."""
    language = settings["language"]
    return f"The paper around {language}" if isinstance(language, str) else "The paper in miniature"


def _copy_results(layout: Layout, output: Path, complete: set[str]) -> None:
    for folder in (layout.mir, layout.scores, layout.baselines, layout.matched):
        for file in sorted(folder.glob("[!.]*/*.json")):
            if file.parent.name in complete:
                copy_json(file, output / file.relative_to(layout.results), layout.root)


def _write_table(table: pd.DataFrame, file: Path) -> None:
    table.to_csv(file, index=False, float_format=f"%.{DIGITS}g")


def percent(table: pd.DataFrame) -> pd.DataFrame:
    """Scores in per cent, as reports show them; without the seeds, which their recipes stand for."""
    names = map(str, table)
    scores = [name for name in names if name == "average" or name.startswith("mir_study_")]
    return table.assign(**{name: 100 * table[name] for name in scores}).drop(columns="seed")


def copy_json(file: Path, target: Path, root: Path) -> None:
    """Copy a result without traces of the machine: paths become relative to the study's folder."""
    value = json.loads(file.read_text())
    if "configs" in value and "results" in value:
        value = {name: value[name] for name in KEPT if name in value}
    text = json.dumps(value, indent=1, ensure_ascii=False)
    for path in {str(root), str(root.resolve())}:
        text = text.replace(path + "/", "")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text + "\n")


def copy_curves(source: Path, target: Path, complete: set[str]) -> float:
    """Copy thinned curves of stage 0, of trainings that runs branch from, and of complete runs.

    Returns:
        Hours of training that all of them took.
    """
    target.mkdir(parents=True, exist_ok=True)
    seconds = 0.0
    for file in sorted(source.glob("*.csv")):
        stage, _, name = file.stem.partition("_")
        if stage not in ("stage0", "trunk") and name not in complete:
            continue
        curve = pd.read_csv(file)
        seconds += training_seconds(curve)
        step = max(1, len(curve) // CURVE_ROWS)
        kept = curve[(curve.index % step == 0) | (curve.index == len(curve) - 1)]
        kept.to_csv(target / file.name, index=False, float_format=f"%.{DIGITS - 1}g")
    return seconds / 3600


def _draw(models: pd.DataFrame, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    experiments = set(models["group"])
    drawings: list[Drawing] = []
    if "data scale" in experiments:
        drawings += [
            against_score(models, "data scale", predictor)
            for predictor in ("mir", "loss", "caption_ppl", "in_context", "norm_matched")
        ]
        drawings.append(along(models, "data scale", "image-caption pairs", log=True))
    for experiment in ("training step", "second epoch"):
        if experiment in experiments:
            drawings.append(along(models, experiment, "image-caption pairs seen", log=False))
    for drawing in drawings:
        assert drawing.png is not None  # both figures ask for it
        (folder / f"{drawing.name}.png").write_bytes(drawing.png)


if __name__ == "__main__":
    raise SystemExit(main())
