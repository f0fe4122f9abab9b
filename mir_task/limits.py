"""What of images and texts from somewhere else is taken, and as what: sizes, formats, pixels of 8 bits, characters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from mir_task.errors import MIRDataError, MIRError

MAX_PIXELS = 100_000_000
"""A photograph has a tenth of it; a small file that unpacks to more is an accident or an attack. Not PIL's own limit,
which other packages (several tasks of lmms-eval) raise for the whole process."""
MAX_TEXT_BYTES = 2**26
"""Bytes of a file that holds one text."""

FORMATS = {
    "AVIF": (".avif", ".avifs"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "HEIF": (".heic", ".heif"),  # where the package pillow-heif is registered
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "PNG": (".png", ".apng"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
"""Formats that are read, by PIL's name, with the endings of their files. PIL itself opens more: programs (EPS, for
Ghostscript to run), and by their endings also files that it can only write (PDF)."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by its EXIF orientation; 1 is upright already."""

_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO, _UNSIGNED = 0, 1


def formats_here() -> list[str]:
    """Those of :data:`FORMATS` that PIL has been built or registered for."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def endings_here() -> set[str]:
    """Endings of the files of :func:`formats_here`, in small letters."""
    return {ending for name in formats_here() for ending in FORMATS[name]}


def check_image(image: Image.Image) -> None:
    """Refuse an image whose pixels should not, or can no longer, be unpacked.

    Raises:
        MIRDataError: saying how many pixels it has, that it is a program for Ghostscript, or that its file is closed.
    """
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise MIRDataError(
            f"it has {width} x {height} pixels, more than {MAX_PIXELS:,}; scale it down if it is what it seems"
        )
    if not width * height:
        raise MIRDataError(f"it has no pixels ({width} x {height})")
    unread = bool(getattr(image, "tile", None))
    if unread and image.format == "EPS":
        raise MIRDataError("it is EPS, which Ghostscript would have to run; convert it to PNG")
    if unread and getattr(image, "fp", image) is None:
        raise MIRDataError("its file was closed before it was read; call its load() before")


def rgb_image(image: Image.Image) -> Image.Image:
    """The image as every model gets it: upright, three channels of 8 bits.

    - EXIF orientation is applied: what a viewer shows, what PIL does to TIFF and ``datasets`` to every image.
    - Transparency is dropped and not laid over a colour, palettes and CMYK are PIL's ``convert("RGB")``.
    - Of integers of more than 8 bits the upper 8 are taken, as PIL does where it reads colours of 16 bits. The highest
      value is white: 65,535, or what the file's own depth has room for.
    - Floats are taken as 0 … 1, or as 0 … 255 where all are whole numbers and some are above 1.

    Args:
        image: of any mode; left as it is.

    Returns:
        An image of mode RGB; the same again when it is given once more.

    Raises:
        MIRDataError: its pixels cannot be read, or have a scale that cannot be told.
    """
    with reading():
        check_image(image)
        image.load()  # first, since PIL turns a TIFF as it loads
        turn = _UPRIGHT.get(_orientation(image))
        picture = _eight_bits(image).convert("RGB")
    if turn is not None:
        picture = picture.transpose(turn)
        picture.info.clear()  # it would be turned again
    return picture


@contextmanager
def reading() -> Iterator[None]:
    """Let nothing but whole images pass, and whatever PIL raises be an error of this package.

    Raises:
        MIRDataError: for any other error but that of memory.
    """
    # lmms-eval sets this flag for the whole process, which fills the rest of a truncated image with grey.
    tolerated = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    except (MIRError, MemoryError):
        raise
    except Exception as error:  # PIL's decoders raise a dozen unrelated classes for a damaged file
        raise MIRDataError(str(error) or f"its pixels cannot be read ({type(error).__name__})") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerated


def check_characters(text: str) -> None:
    """Refuse halves of characters, which neither a tokenizer nor a file in UTF-8 can hold.

    Raises:
        MIRDataError: saying which and where.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MIRDataError(
            f"character {error.start + 1} is the lone surrogate U+{ord(text[error.start]):04X}, half of a character; "
            "remove it"
        ) from error


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF, for which PIL has no class; viewers show such an image as it is stored
        return None


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image with 8 bits a channel, or one, in a mode that PIL converts to RGB."""
    if image.mode == "F" or image.mode.startswith("I"):
        values = _of_floats(image) if image.mode == "F" else _of_integers(image)
        if _tiff(image).get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:  # which PIL heeds up to 8 bits only
            values = 255 - values
        return Image.fromarray(values)
    if image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
        return image.convert("RGBA")  # the same colours, without PIL's warning
    return image.convert("LA") if image.mode == "La" else image


def _of_integers(image: Image.Image) -> NDArray[np.uint8]:
    """[height, width] uint8."""
    values = np.asarray(image)
    lowest, highest = int(values.min()), int(values.max())
    depth = _depth(image)
    if depth is None or lowest < 0 or highest >= 2**depth:
        raise MIRDataError(
            f"its pixels are integers of {lowest} to {highest} (mode {image.mode}), of which it is not known what is "
            'white; convert it to mode "L" (255 is white) or "I;16" (65535) first'
        )
    return (values >> (depth - 8)).astype(np.uint8)


def _depth(image: Image.Image) -> int | None:
    """Bits that hold a pixel, the highest of them white; None if that is not known."""
    tags = _tiff(image)
    if _TIFF_BITS in tags:
        bits, kind = tags[_TIFF_BITS][0], tags.get(_TIFF_SAMPLE_FORMAT, (_UNSIGNED,))[0]
        # 32 bits hold labels or measurements, hardly ever white at 4,294,967,295.
        return bits if kind == _UNSIGNED and 8 <= bits <= 16 else None
    if image.mode != "I" or image.format in ("PNG", "PPM"):  # mode I is what PIL opens their 16 bits as
        return 16
    return None


def _of_floats(image: Image.Image) -> NDArray[np.uint8]:
    """[height, width] uint8."""
    values: NDArray[np.float32] = np.asarray(image)
    lowest, highest = float(values.min()), float(values.max())
    if lowest >= 0 and highest <= 1:
        return (values * 255 + 0.5).astype(np.uint8)
    if lowest >= 0 and highest <= 255 and np.array_equal(values, np.rint(values)):
        return values.astype(np.uint8)
    raise MIRDataError(
        f"its pixels are floats of {lowest:g} to {highest:g}, of which it is not known what is white; scale them to "
        '0 … 1, or convert it to mode "L" first'
    )


def _tiff(image: Image.Image) -> Any:
    return getattr(image, "tag_v2", {})
