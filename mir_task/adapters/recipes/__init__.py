"""Pipelines for families whose own code builds the input. A family is one short file here and one line in ``RECIPES``.

A recipe is a function of a model and its tokenizer. It gives the :class:`mir_task.adapters.Pipeline` that shows the
model an image and, as the assistant's turn, a text, by the steps that the family's own code takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mir_task.adapters.pipeline import Pipeline
from mir_task.adapters.recipes.minicpm_v2 import minicpm_v2

__all__ = ["RECIPES", "recipe_for"]

Recipe = Callable[[Any, Any], Pipeline]

RECIPES: dict[str, Recipe] = {
    "MiniCPMPreTrainedModel": minicpm_v2,  # 2.0's base; 2.5 and 2.6 share its model_type and class name
}
"""By ``config.model_type``, or by the model's class name where a model_type is shared with another family."""


def recipe_for(model: Any) -> Recipe | None:
    """The recipe of a model's family, if there is one; a recipe by class name wins."""
    names = [each.__name__ for each in type(model).__mro__]
    names.append(str(getattr(getattr(model, "config", None), "model_type", None)))
    return next((RECIPES[name] for name in names if name in RECIPES), None)
