"""Tiny random models of transformers' own classes, with their own processors; nothing is downloaded."""

from tests.tiny import llava, others, qwen

RECIPES = {**llava.RECIPES, **qwen.RECIPES, **others.RECIPES}


def build(name):
    """(model, processor) of a recipe; AttributeError where this transformers has no such class."""
    return RECIPES[name]()
