"""Pairs from the user's own files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mir_task.data.arguments import Argument, ArgumentError
from mir_task.data.choice import Choice, join
from mir_task.data.files import read_images, read_texts
from mir_task.data.images import open_image
from mir_task.data.pair_set import PairSet
from mir_task.errors import MIRDataError
from mir_task.limits import check_characters


def local_pairs(
    images: str | Path,
    texts: str | Path,
    *,
    paired: bool = False,
    count: int | None = None,
    seed: int = 0,
    check_images: bool = True,
) -> PairSet:
    """Pairs from the user's own files.

    Args:
        images: a folder of images, searched recursively for files of :data:`mir_task.limits.FORMATS`.
        texts: a folder of .txt files, searched recursively, or a .jsonl file with a ``text`` field.
        paired: each image goes with the text of its name (file name without its ending; in a .jsonl the ``id``
            field); default: images and texts are joined at random, by the seed.
        count: how many pairs; default: 100, or all if there are fewer.
        seed: of the choice; it depends on the names of the files and on nothing else.
        check_images: open every image once, so that an unreadable file ends a run here and not after an hour.

    Raises:
        MIRDataError: naming the argument or file: not found, empty, unreadable, without its partner.
    """
    choice = Choice(count, seed)
    image_files = read_images(_existing(images, Argument.IMAGES))
    text_by_name = read_texts(_existing(texts, Argument.TEXTS))
    if paired:
        _check_partners(image_files.keys(), text_by_name.keys())
    what = (Argument.IMAGES, " and ", Argument.TEXTS)
    pairs = join(image_files, text_by_name, choice, paired=paired, what=what)
    if check_images:
        for _, image, _ in pairs:
            open_image(image)
    return PairSet.of_files(pairs, images=str(images), texts=str(texts), paired=paired, seed=seed)


def _existing(given: str | Path, argument: Argument) -> Path:
    path = Path(given).expanduser()
    if not path.exists():
        raise ArgumentError(argument, f": {path} does not exist")
    try:
        check_characters(str(path))
    except MIRDataError as error:  # the result could not name it
        raise ArgumentError(argument, f": {str(path)!r}: {error}; rename it") from error
    return path


def _check_partners(images: Collection[str], texts: Collection[str]) -> None:
    alone = sorted(set(images) ^ set(texts))
    if alone:
        raise ArgumentError(
            Argument.PAIRED,
            f": {len(alone)} names have an image or a text but not both, among them {', '.join(alone[:5])}; complete "
            "the pairs or ",
            Argument.NOT_PAIRED,
        )
