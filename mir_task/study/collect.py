"""Gathers the results of all runs into one table, and their curves beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from mir_task.study.along import table_along
from mir_task.study.experiments import Run, members
from mir_task.study.layout import Layout
from mir_task.study.numbers import predictors
from mir_task.study.scales import Scale
from mir_task.study.stages import lock_of
from mir_task.study.training import final_loss

METRIC = "exact_match,none"


def collect(scale: Scale, layout: Layout) -> Path:
    """Write ``scores.csv`` and ``models.csv``: a row for each complete run in each of its experiments.

    A report reads ``scores.csv`` beside the per-layer files. Columns: ``model``, ``recipe`` (the same for all its
    seeds), ``group`` (the experiment), ``seed``, ``note`` (the variant), the skills, their ``average`` and
    ``average_over``, and the baselines ``loss`` (final, of stage 1), ``caption_ppl``, ``in_context``, and ``samples``
    (image-caption pairs seen). ``models.csv`` adds the columns of :func:`mir_task.study.numbers.predictors`.
    """
    scores, models = [], []
    for experiment, variant, run in members(scale):
        if complete(run, layout):
            row = {
                "model": run.name,
                "recipe": run.recipe,
                "group": experiment,
                "seed": run.seed,
                "note": variant,
            }
            row |= _scores_and_baselines(scale, run, layout)
            scores.append(row)
            models.append(row | predictors(layout.mir / run.name, layout.matched / run.name))
    along = table_along(scale, layout)
    layout.table.parent.mkdir(parents=True, exist_ok=True)
    with lock_of(layout.table):
        pd.DataFrame(scores).to_csv(layout.table, index=False)
        pd.DataFrame(models).to_csv(layout.models, index=False)
        if len(along):
            along.to_csv(layout.along_table, index=False)
        _copy_curves(layout)
    return layout.table


def complete(run: Run, layout: Layout) -> bool:
    """Whether every stage of a run is done."""
    stages = (layout.mir, layout.baselines, layout.scores)
    return all((stage / run.name).exists() for stage in stages)


def _scores_and_baselines(scale: Scale, run: Run, layout: Layout) -> dict[str, Any]:
    (file,) = (layout.scores / run.name).glob("*_results.json")
    results = json.loads(file.read_text())["results"]
    skills = {task: values[METRIC] for task, values in results.items()}
    curve = pd.read_csv(layout.stage_one / run.name / "curve.csv")
    return {
        **skills,
        "average": sum(skills.values()) / len(skills),
        "average_over": ";".join(skills),
        "loss": final_loss(curve),
        **json.loads((layout.baselines / run.name / "baselines.json").read_text()),
        "samples": int(curve["step"].iloc[-1]) * scale.batch_size,
    }


def _copy_curves(layout: Layout) -> None:
    layout.curves.mkdir(parents=True, exist_ok=True)
    for curve in sorted(layout.root.glob("stage*/*/curve.csv")):
        stage, name, _ = curve.relative_to(layout.root).parts
        shutil.copyfile(curve, layout.curves / f"{stage}_{name}.csv")
    for curve in sorted(layout.root.glob("trunks/*/*/curve.csv")):
        _, name, mark, _ = curve.relative_to(layout.root).parts
        shutil.copyfile(curve, layout.curves / f"trunk_{name}_{mark}.csv")
