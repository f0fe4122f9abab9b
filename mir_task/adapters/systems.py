"""Rows of the table of supported models."""

from typing import NamedTuple

BY_ID = "placeholder id and provenance"
BY_PROVENANCE = "provenance"

NATIVE = "transformers' class"
OWN = "this package's class"
STAND_IN = "stand-in"
UNTESTED = "not tested"

PROCESSOR = "processor"
TOKENIZER = "tokenizer"
PIPELINE = "`Pipeline`"


class Systems(NamedTuple):
    """One row of the table of supported models."""

    names: str
    """The published models of this row."""
    model_types: tuple[str, ...]
    """``config.model_type`` of each; of recipes, class names. Empty for models outside transformers' naming."""
    vision: str
    """How vision enters the decoder's sequence."""
    positions: str
    """How vision positions are found."""
    tested: str
    """Tested on a class at a tiny random size: transformers', this package's, a stand-in for remote code, or
    :func:`real_code`; or not at all."""
    given: str = PROCESSOR
    """What ``measure(model, …, pairs)`` is given in the second place."""


def real_code(*sources: str) -> str:
    """Tested on the family's own code too, fetched from ``repository@commit (versions of transformers)``."""
    return f"stand-in, and real code: {', '.join(sources)}"
