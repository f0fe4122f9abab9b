"""An image-text pair and its name."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, cast

from PIL import Image

from mir_task.errors import MIRDataError, MIRError
from mir_task.limits import check_size


class Pair(NamedTuple):
    """One image and one text; the id names the pair in results and errors."""

    image: Image.Image
    text: str
    id: str | None = None


def content_id(pair: Pair) -> str:
    """Name of a pair that has none: a hash of its pixels and text."""
    digest = hashlib.sha256(repr((pair.image.size, pair.image.mode)).encode())
    digest.update(pair.image.tobytes())
    digest.update(pair.text.encode())
    return digest.hexdigest()[:16]


def by_number(pairs: Iterable[Any]) -> Sequence[Any]:
    """Pairs that can be asked for one at a time, and again: those that can already are left to open them only then."""
    indexable = isinstance(pairs, Collection) and hasattr(pairs, "__getitem__")
    return cast("Sequence[Any]", pairs) if indexable else list(pairs)


def opened(pairs: Sequence[Any], number: int) -> tuple[Pair, str]:
    """A pair that can be measured, and its name.

    Args:
        pairs: as the user gave them.
        number: of the pair, from 0.

    Raises:
        MIRDataError: naming the pair: it cannot be read, has no image or one of too many pixels, no text or an empty
            one.
    """
    try:
        given = pairs[number]
    except MIRError as error:
        text = str(error)
        raise type(error)(
            text if text.startswith("pair ") else f"pair number {number + 1}: {text}"
        ) from error
    try:
        pair = given if isinstance(given, Pair) else Pair(*given)
    except TypeError as error:
        raise MIRDataError(f"pair number {number + 1}: expected (PIL image, text): {error}") from error
    name = pair.id or f"number {number + 1}"
    if not isinstance(pair.image, Image.Image) or not isinstance(pair.text, str):
        raise MIRDataError(
            f"pair {name}: expected (PIL image, text), got "
            f"({type(pair.image).__name__}, {type(pair.text).__name__})"
        )
    try:
        check_size(pair.image)
        name = pair.id or content_id(pair)
        if not pair.text.strip():
            raise MIRDataError("the text is empty")
    except (MIRDataError, OSError, SyntaxError) as error:  # the latter two of a file that PIL reads only now
        raise MIRDataError(f"pair {name}: {error}") from error
    return pair, name
