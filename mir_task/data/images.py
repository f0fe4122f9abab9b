"""Opening images, completely or not at all."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from mir_task.errors import MIRDataError


def open_image(source: str | Path | Image.Image) -> Image.Image:
    """Open an image completely, as RGB.

    Raises:
        MIRDataError: naming a file that is missing, no image, truncated, or without pixels.
    """
    if isinstance(source, Image.Image):
        return source.convert("RGB")
    # lmms-eval sets this flag for the whole process, which fills the rest of a truncated image with grey.
    tolerated = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with Image.open(source) as image:
            return image.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        raise MIRDataError(f"cannot read the image {source}: {error}") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerated
