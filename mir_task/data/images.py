"""Opening images, completely or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from mir_task.errors import MIRDataError
from mir_task.limits import formats_here, reading, rgb_image


def open_image(source: str | Path | Image.Image | Mapping[str, Any]) -> Image.Image:
    """Open an image completely, as RGB (:func:`mir_task.limits.rgb_image` says how).

    Args:
        source: a file of one of :data:`mir_task.limits.FORMATS`, whatever its name ends in, an image, or an undecoded
            one of a dataset: ``bytes`` or else ``path``.

    Raises:
        MIRDataError: naming a file that is missing, no file (a device, a pipe), of another format, truncated, without
            pixels or with too many, or of pixels whose scale cannot be told.
    """
    try:
        if isinstance(source, Image.Image):
            return rgb_image(source)
        with reading(), _opened(_file_of(source)) as image:
            return rgb_image(image)
    except MIRDataError as error:
        inline = isinstance(source, Image.Image | Mapping)
        what = "an image of the dataset" if inline else f"the image {source}"
        raise MIRDataError(f"cannot read {what}: {error}") from error


def _opened(file: Path | BytesIO) -> Image.Image:
    if isinstance(file, Path) and file.exists() and not file.is_file():  # opening a pipe would wait for ever
        raise MIRDataError("it is a folder, a device or a pipe, and no file")
    formats = formats_here()
    try:
        return Image.open(file, formats=formats)
    except UnidentifiedImageError as error:
        raise MIRDataError(f"it is damaged, or of no format that is read ({', '.join(formats)})") from error


def _file_of(source: str | Path | Mapping[str, Any]) -> Path | BytesIO:
    if not isinstance(source, Mapping):
        return Path(source)
    return BytesIO(source["bytes"]) if source.get("bytes") is not None else Path(source["path"])
