"""Recipes as units: trainings of one recipe, by different seeds, are no independent models and count once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mir_task.report.merge import mean_of
from mir_task.report.names import resolve
from mir_task.report.records import MIRReportError, Row, Run, listing
from mir_task.report.text import count, sentence

COLUMN = "recipe"
"""Column of a table that names the recipe that a model was trained by."""


@dataclass(frozen=True)
class ByRecipe:
    """Runs and scores under the names of recipes."""

    runs: list[Run]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)


def by_recipe(runs: Sequence[Run], rows: Sequence[Row], recipes: Mapping[str, str]) -> ByRecipe:
    """Put recipes in the place of the models that are trainings of them.

    The MIR of a recipe is the mean over its trainings, as that of several runs of a model is; so are its scores. The
    spread over trainings is noise of both.

    Args:
        runs: of MIR.
        rows: of scores, one for each model and group.
        recipes: by model; models without one stay as they are.

    Raises:
        MIRReportError: a recipe has the name of a model that is no training of it.
    """
    if not recipes:
        return ByRecipe(list(runs), list(rows))

    def recipe_of(model: str) -> str | None:
        known = resolve(model, recipes)
        return recipes[known] if known else None

    for run in runs:
        if run.model in recipes.values() and recipe_of(run.model) != run.model:
            raise MIRReportError(
                f"a recipe and a model that is no training of it are both called {run.model!r} ({run.where}); "
                "rename one of them"
            )
    by_name: dict[tuple[str | None, str], list[Row]] = {}
    for row in rows:
        by_name.setdefault((row.group, recipe_of(row.model) or row.model), []).append(row)
    trainings: dict[str, set[str]] = {}
    for model in [*(run.model for run in runs), *(row.model for row in rows)]:
        if name := recipe_of(model):
            trainings.setdefault(name, set()).add(model)
    several = {name: models for name, models in trainings.items() if len(models) > 1}
    notes = []
    if several:
        notes.append(
            sentence(
                f"{count(sum(map(len, several.values())), 'model')} are trainings of {count(len(several), 'recipe')}, "
                f"which count once each, with the mean of theirs: {listing(several, 4)}."
            )
        )
    # A group may have scores of some of a recipe's trainings: the others' MIR does not count there.
    groups: dict[str, dict[str | None, None]] = {}
    for row in rows:
        groups.setdefault(row.model, {}).setdefault(row.group)
    return ByRecipe(
        [
            replace(run, model=name, trained=run.model, group=group) if name else run
            for run in runs
            for name in [recipe_of(run.model)]
            for group in ([run.group] if run.group or not name else groups.get(run.model, [None]))
        ],
        [replace(mean_of(same), model=name) for (_, name), same in by_name.items()],
        notes,
    )
