"""Tiny random models of transformers' own classes, with their own processors; nothing is downloaded."""

from tests.tiny import llava, others, qwen

BUILDERS = {**llava.BUILDERS, **qwen.BUILDERS, **others.BUILDERS}
"""Functions that build (model, processor), by name."""


def build(name):
    """(model, processor) of one of the builders; AttributeError where this transformers has no such class."""
    return BUILDERS[name]()
