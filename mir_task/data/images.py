"""Opening images, completely or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile, UnidentifiedImageError

from mir_task.errors import MIRDataError
from mir_task.limits import check_size


def open_image(source: str | Path | Image.Image | Mapping[str, Any]) -> Image.Image:
    """Open an image completely, as RGB.

    Args:
        source: a file, an image, or an undecoded one of a dataset: ``bytes`` or else ``path``.

    Raises:
        MIRDataError: naming a file that is missing, no image, truncated, without pixels or with too many.
    """
    # lmms-eval sets this flag for the whole process, which fills the rest of a truncated image with grey.
    tolerated = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        if isinstance(source, Image.Image):
            check_size(source)
            return source.convert("RGB")
        with Image.open(_file_of(source)) as image:
            check_size(image)
            return image.convert("RGB")
    except (
        OSError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
        SyntaxError,
        MIRDataError,
    ) as error:
        inline = isinstance(source, Image.Image | Mapping)
        what = "an image of the dataset" if inline else f"the image {source}"
        raise MIRDataError(f"cannot read {what}: {error}") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerated


def _file_of(source: str | Path | Mapping[str, Any]) -> str | Path | BytesIO:
    if not isinstance(source, Mapping):
        return source
    return BytesIO(source["bytes"]) if source.get("bytes") is not None else str(source["path"])
