"""Rows of the table of supported models."""

from typing import Literal, NamedTuple


class Systems(NamedTuple):
    """One row of the table of supported models."""

    names: str
    """The published models of this row."""
    model_types: tuple[str, ...]
    """``config.model_type`` of each; empty for models outside transformers' naming."""
    vision: str
    """How vision enters the decoder's sequence."""
    positions: str
    """How vision positions are found."""
    tested: Literal["native class", "own class", "stand-in", "not tested"]
    """Tested on transformers' class at a tiny size, on this package's, on a stand-in for remote code, or not at all."""


BY_ID = "placeholder id and provenance"
BY_PROVENANCE = "provenance"
