"""How large an image or a text may be that comes from somewhere else."""

from __future__ import annotations

from PIL import Image

from mir_task.errors import MIRDataError

MAX_PIXELS = 100_000_000
"""A photograph has a tenth of it; a small file that unpacks to more is an accident or an attack. Not PIL's own limit,
which other packages (several tasks of lmms-eval) raise for the whole process."""
MAX_TEXT_BYTES = 2**26
"""Bytes of a file that holds one text."""


def check_size(image: Image.Image) -> None:
    """Refuse an image of too many pixels before they are unpacked.

    Raises:
        MIRDataError: saying how many it has.
    """
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise MIRDataError(
            f"it has {width} x {height} pixels, more than {MAX_PIXELS:,}; scale it down if it is what it seems"
        )
