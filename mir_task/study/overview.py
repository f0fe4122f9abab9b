"""``python -m mir_task.study.overview``: the page on all evidence, ours beside the paper's, with its three pictures.

The prose stands in ``templates/README.md.jinja``; every figure in it comes from published results.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from mir_task.report.schema import Regression
from mir_task.study.judge import variant_means
from mir_task.study.page import template
from mir_task.study.pictures import Course, order, rule, turn
from mir_task.study.readable import Confusion, confusion, pairs
from mir_task.study.table import read_models

PAPER, MILLION, SMOLLM2 = "paper", "study", "smollm2"
"""Folders of results: of the paper's tables, of the study around a language model of one million weights, of that
around SmolLM2."""
NAMES = {PAPER: "paper", MILLION: "million weights", SMOLLM2: "SmolLM2"}
FROZEN, LORA = "data scale", "data scale, LoRA"
SCALES = {FROZEN: "", LORA: ", LoRA"}
"""Experiments that the picture of the turn shows, and what its titles add of them."""


class Study(NamedTuple):
    """A published study."""

    models: pd.DataFrame
    along: pd.DataFrame | None
    """MIR within its trainings, where it was measured there."""
    regression: Regression
    counts: Confusion
    """Pairs by the rule that says where MIR is read."""

    @property
    def recipes(self) -> int:
        """Number of models but for their seeds."""
        return int(self.models["recipe"].nunique())

    @property
    def scale(self) -> pd.DataFrame:
        """Amounts of data, least first: means over seeds."""
        return self._amounts(FROZEN).sort_values("samples")

    @property
    def unlocked_in_order(self) -> tuple[int, int]:
        """Amounts of data at which MIR orders a frozen language model and LoRA by their scores, and of how many."""
        both = self._amounts(FROZEN).join(self._amounts(LORA).add_suffix("_lora"), how="inner")
        lower = both["mir"] < both["mir_lora"]
        better = both["average"] > both["average_lora"]
        return int((lower == better).sum()), len(both)

    def _amounts(self, experiment: str) -> pd.DataFrame:
        return variant_means(self.models[self.models["group"] == experiment])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m mir_task.study.overview", description=__doc__)
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="holds paper/, study/ and, if made, smollm2/"
    )
    parser.add_argument("--output", type=Path, help="folder that receives both rooms; default: the results")
    given = parser.parse_args(arguments)
    output = given.output or given.results
    studies = {
        name: read_study(given.results / name)
        for name in (MILLION, SMOLLM2)
        if (given.results / name / "models.csv").exists()
    }
    paper = read_regression(given.results / PAPER)
    (output / "figures").mkdir(parents=True, exist_ok=True)
    (output / MILLION).mkdir(parents=True, exist_ok=True)
    every = {PAPER: paper, **{name: study.regression for name, study in studies.items()}}
    for drawing in (
        turn([course for name, study in studies.items() for course in courses(NAMES[name], study)]),
        order({NAMES[name]: regression for name, regression in every.items()}),
        rule({NAMES[name]: study.counts for name, study in studies.items()}),
    ):
        assert drawing.png is not None  # all of them ask for it
        (output / "figures" / f"{drawing.name}.png").write_bytes(drawing.png)
    page = output / MILLION / "README.md"
    page.write_text(text(paper, studies))
    print(f"-> {page}")
    return 0


def read_study(folder: Path) -> Study:
    """A study as :mod:`mir_task.study.publish` left it."""
    models = read_models(folder / "models.csv")
    along = folder / "along.csv"
    return Study(
        models,
        pd.read_csv(along) if along.exists() else None,
        read_regression(folder),
        confusion(pairs(models)),
    )


def read_regression(folder: Path) -> Regression:
    """What the report found there."""
    return Regression.model_validate_json((folder / "regression.json").read_text())


def courses(name: str, study: Study) -> list[Course]:
    """A study's experiments on the amount of data."""
    found = []
    for experiment, addition in SCALES.items():
        models = study.models[study.models["group"] == experiment]
        if len(models):
            # A training is named by the longest run that branches from it.
            own = None if study.along is None else study.along[study.along["trunk"].isin(models["recipe"])]
            found.append(Course(name + addition, models, own))
    return found


def text(paper: Regression, studies: dict[str, Study]) -> str:
    """The page, as Markdown."""
    values: dict[str, Any] = {"paper": paper, "million": studies[MILLION], "smollm2": studies.get(SMOLLM2)}
    return template("README.md.jinja").render(values)


if __name__ == "__main__":
    raise SystemExit(main())
