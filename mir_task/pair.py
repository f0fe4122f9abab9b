"""An image-text pair and its name."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from numbers import Integral
from typing import Any, NamedTuple, cast

from PIL import Image

from mir_task.errors import MIRDataError, naming
from mir_task.limits import check_characters, check_image, reading, rgb_image


class Pair(NamedTuple):
    """One image and one text; the id names the pair in results and errors."""

    image: Image.Image
    text: str
    id: str | int | None = None


class NamedPair(NamedTuple):
    """A pair that has been opened and checked."""

    image: Image.Image
    text: str
    name: str
    """Its id, or a hash of its content."""

    @property
    def rgb(self) -> Image.Image:
        """The image as models get it: upright, three channels of 8 bits (:func:`mir_task.limits.rgb_image`).

        Raises:
            MIRDataError: naming the pair: the pixels cannot be read, or have a scale that cannot be told.
        """
        with naming(f"pair {self.name}"):
            return rgb_image(self.image)

    def size(self, max_text_tokens: int) -> str:
        """How large it is, for messages."""
        width, height = self.image.size
        return (
            f"an image of {width} x {height} pixels and a text of {len(self.text)} characters (cut to "
            f"{max_text_tokens} tokens)"
        )


def content_id(pair: Pair | NamedPair) -> str:
    """Hash of a pair's pixels and text: the name of a pair without id."""
    digest = hashlib.sha256(repr((pair.image.size, pair.image.mode)).encode())
    digest.update(pair.image.tobytes())
    digest.update(pair.text.encode())
    return digest.hexdigest()[:16]


def by_number(pairs: Iterable[Any]) -> Sequence[Any]:
    """Pairs that can be asked for one at a time and more than once; a sequence stays as it is, unopened."""
    indexable = isinstance(pairs, Collection) and hasattr(pairs, "__getitem__")
    return cast("Sequence[Any]", pairs) if indexable else list(pairs)


def opened(pairs: Sequence[Any], number: int) -> NamedPair:
    """A pair that can be measured.

    Args:
        pairs: as the user gave them.
        number: the pair's, from 0.

    Raises:
        MIRDataError: naming the pair: it cannot be read, has no image or one of too many pixels, no text, an empty one
            or one with halves of characters, or an id that is neither a string nor a whole number.
    """
    by_position = f"pair number {number + 1}"
    with naming(by_position):
        given = pairs[number]
    try:
        pair = given if isinstance(given, Pair) else Pair(*given)
    except TypeError as error:
        raise MIRDataError(f"{by_position}: expected (PIL image, text): {error}") from error
    with naming(by_position):
        name = _name(pair.id)
    with naming(f"pair {name}" if name else by_position):
        if not isinstance(pair.image, Image.Image) or not isinstance(pair.text, str):
            raise MIRDataError(
                f"expected (PIL image, text), got ({type(pair.image).__name__}, {type(pair.text).__name__})"
            )
        with naming("the text"):
            check_characters(pair.text)
        check_image(pair.image)
        if not name:
            with reading():
                name = content_id(pair)
    with naming(f"pair {name}"):
        if not pair.text.strip():
            raise MIRDataError("the text is empty")
    return NamedPair(pair.image, pair.text, name)


def _name(given: Any) -> str:
    """A pair's id as results hold it; empty if it has none."""
    if given is None:
        return ""
    if isinstance(given, str):
        with naming("the id"):
            check_characters(given)
        return given
    if not isinstance(given, bool) and isinstance(given, Integral):
        return str(int(given))
    raise MIRDataError(f"the id must be a string or a whole number, got {given!r} ({type(given).__name__})")
