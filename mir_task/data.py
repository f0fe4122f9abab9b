"""Image-text pairs: from the user's folders, from the package, from the hub; the same for the same seed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import datasets
from PIL import Image, ImageFile, UnidentifiedImageError

from mir_task.errors import MIRDataError
from mir_task.result import MIN_PAIRS

DEFAULT_NUM_PAIRS = 100
BUILTIN_FOLDER = Path(str(resources.files("mir_task") / "builtin"))

Item = TypeVar("Item")


@dataclass(frozen=True)
class PairSettings:
    """How many pairs to choose, and by which seed."""

    num_pairs: int | None = None
    """None: 100, the paper's number, or all if there are fewer."""
    seed: int = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> PairSettings:
        """Read ``MIR_NUM_PAIRS`` and ``MIR_SEED``.

        Raises:
            MIRDataError: naming the variable that is no whole number or too small.
        """
        num_pairs = _whole_number(environment, "MIR_NUM_PAIRS", minimum=MIN_PAIRS)
        return cls(num_pairs, _whole_number(environment, "MIR_SEED", minimum=0) or 0)


@dataclass(frozen=True)
class PairSet:
    """Chosen pairs and where they came from.

    ``dataset`` has the columns ``pair_id``, ``image`` (a path or a decoded image) and ``text``.
    """

    dataset: datasets.Dataset
    source: dict[str, Any] = field(default_factory=dict)
    """Fields of :class:`mir_task.result.Protocol`: images, texts, paired, seed."""


def local_pairs(environment: Mapping[str, str] = os.environ) -> PairSet:
    """Pairs from the user's own files.

    ``MIR_IMAGES``: a folder of images (searched recursively). ``MIR_TEXTS``: a folder of .txt files or a
    .jsonl file with a ``text`` field. ``MIR_PAIRED=1``: each image goes with the text of the same name
    (file name without its ending; in a .jsonl the ``id`` field); otherwise images and texts are joined at
    random by ``MIR_SEED``. ``MIR_NUM_PAIRS``: how many.

    Raises:
        MIRDataError: naming the setting or file: not set, not found, empty, unreadable, unpaired.
    """
    images = _images(_existing(environment, "MIR_IMAGES"))
    texts = _texts(_existing(environment, "MIR_TEXTS"))
    paired = _switch(environment, "MIR_PAIRED")
    settings = PairSettings.from_environment(environment)
    if paired:
        unmatched = sorted(images.keys() ^ texts.keys())
        if unmatched:
            raise MIRDataError(
                f"MIR_PAIRED=1: {len(unmatched)} names have an image or a text but not both, "
                f"among them {', '.join(unmatched[:5])}; complete the pairs or unset MIR_PAIRED"
            )
    pairs = _join(images, texts, settings, paired, "MIR_IMAGES and MIR_TEXTS")
    for _, image, _ in pairs:
        open_image(image)  # so that an unreadable file ends the run here and not after an hour
    return PairSet(
        _dataset(pairs),
        {
            "images": environment["MIR_IMAGES"],
            "texts": environment["MIR_TEXTS"],
            "paired": paired,
            "seed": settings.seed,
        },
    )


def builtin_pairs(environment: Mapping[str, str] = os.environ) -> PairSet:
    """The pairs shipped with the package: rendered scenes and original prose, unrelated to each other."""
    settings = PairSettings.from_environment(environment)
    images = _images(BUILTIN_FOLDER / "images")
    pairs = _join(images, _texts(BUILTIN_FOLDER / "texts"), settings, paired=False, what="the built-in data")
    source = "mir_task.builtin"
    return PairSet(
        _dataset(pairs), {"images": source, "texts": source, "paired": False, "seed": settings.seed}
    )


def builtin_texts() -> list[str]:
    """The built-in passages, in the order of their names."""
    return list(_texts(BUILTIN_FOLDER / "texts").values())


def hub_pairs(
    images: Mapping[str, Any], texts: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> PairSet:
    """The paper's data: TextVQA images, each once, joined with unrelated CNN/DailyMail articles.

    Args:
        images: arguments of ``datasets.load_dataset`` for a dataset with ``image_id`` and ``image`` (several
            questions share one image there, each image is taken once).
        texts: likewise, for one with ``id`` and ``article``.
        environment: of the settings.

    Raises:
        MIRDataError: the data can be had neither from the hub nor from its cache, or has other columns.
    """
    settings = PairSettings.from_environment(environment)
    image_set, text_set = _load(images, ("image_id", "image")), _load(texts, ("id", "article"))
    image_rows = {str(key): row for row, key in reversed(list(enumerate(image_set["image_id"])))}
    text_rows = {str(key): row for row, key in reversed(list(enumerate(text_set["id"])))}
    pairs = _join(image_rows, text_rows, settings, paired=False, what=f"{images['path']} and {texts['path']}")
    # Selected by row, so that only the chosen images are ever decoded.
    chosen = image_set.select([row for _, row, _ in pairs]).select_columns(["image"])
    chosen = chosen.add_column("pair_id", [pair_id for pair_id, _, _ in pairs])
    chosen = chosen.add_column("text", [text_set[row]["article"] for _, _, row in pairs])
    for pair_id, text in zip(chosen["pair_id"], chosen["text"], strict=True):
        _check_text(text, f"the article of pair {pair_id}")
    return PairSet(
        chosen,
        {
            "images": _describe(images, image_set),
            "texts": _describe(texts, text_set),
            "paired": False,
            "seed": settings.seed,
        },
    )


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


def choose(names: Iterable[str], count: int, seed: int, what: str) -> list[str]:
    """``count`` of the names in an order that depends on seed and names only.

    Sorted by a hash rather than drawn from a random generator, so that the choice is the same on every
    machine and version and does not depend on the order in which a file system lists the names.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{what}/{name}".encode()).digest())[:count]


def _join(
    images: Mapping[str, Item], texts: Mapping[str, Any], settings: PairSettings, paired: bool, what: str
) -> list[tuple[str, Item, Any]]:
    """(pair id, image, text) of the chosen pairs."""
    available = min(len(images), len(texts))
    count = settings.num_pairs or min(DEFAULT_NUM_PAIRS, available)
    if count > available or count < MIN_PAIRS:
        raise MIRDataError(
            f"{what} hold {len(images)} images and {len(texts)} texts, too few for "
            f"{max(count, MIN_PAIRS)} pairs; add some"
            + (" or lower MIR_NUM_PAIRS" if settings.num_pairs else "")
        )
    chosen_images = choose(images, count, settings.seed, "image")
    chosen_texts = chosen_images if paired else choose(texts, count, settings.seed, "text")
    return [
        (image if paired else f"{image}+{text}", images[image], texts[text])
        for image, text in zip(chosen_images, chosen_texts, strict=True)
    ]


def _dataset(pairs: Sequence[tuple[str, Path, str]]) -> datasets.Dataset:
    return datasets.Dataset.from_list(
        [{"pair_id": pair_id, "image": str(image), "text": text} for pair_id, image, text in pairs]
    )


def _images(folder: Path) -> dict[str, Path]:
    """Images below a folder by name (relative path without its ending)."""
    if not folder.is_dir():
        raise MIRDataError(f"MIR_IMAGES: {folder} is not a folder")
    Image.init()
    files = [path for path in folder.rglob("*") if path.suffix.lower() in Image.EXTENSION and path.is_file()]
    if not files:
        raise MIRDataError(f"MIR_IMAGES: no images in {folder}")
    return _by_name(files, folder)


def _texts(source: Path) -> dict[str, str]:
    """Texts by name: of a folder's .txt files (relative path without ending), or of a .jsonl's ``id``."""
    if source.is_dir():
        files = _by_name(source.rglob("*.txt"), source)
        texts = {name: _read(path) for name, path in files.items()}
    elif source.suffix == ".jsonl":
        texts = _jsonl(source)
    else:
        raise MIRDataError(f"MIR_TEXTS: {source} is neither a folder of .txt files nor a .jsonl file")
    if not texts:
        raise MIRDataError(f"MIR_TEXTS: no texts in {source}")
    return texts


def _jsonl(path: Path) -> dict[str, str]:
    texts = {}
    for number, line in enumerate(_read(path, "a .jsonl file").splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise MIRDataError(f"MIR_TEXTS: {where} is not JSON: {error}") from error
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            raise MIRDataError(f"MIR_TEXTS: {where} has no 'text' field of type string")
        name = str(record.get("id", number))
        if name in texts:
            raise MIRDataError(f"MIR_TEXTS: {where} repeats the id {name!r}")
        texts[name] = _check_text(record["text"], where)
    return texts


def _by_name(files: Iterable[Path], folder: Path) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in sorted(files):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in named:
            raise MIRDataError(f"{named[name]} and {path} have the same name; rename one")
        named[name] = path
    return named


def _read(path: Path, what: str = "a text") -> str:
    try:
        return _check_text(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise MIRDataError(f"cannot read {path} as {what} in UTF-8: {error}") from error


def _check_text(text: str, where: str) -> str:
    if not text.strip():
        raise MIRDataError(f"the text is empty: {where}")
    return text.strip()


def _load(source: Mapping[str, Any], columns: Sequence[str]) -> datasets.Dataset:
    try:
        dataset = datasets.load_dataset(**source)
    except Exception as error:  # datasets raises a dozen unrelated classes when it cannot reach the hub
        raise MIRDataError(
            f"task mir needs {source['path']} from the Hugging Face hub or its cache, which failed: {error}. "
            "Without the hub use mir_builtin (data in the package) or mir_local (your own images and texts: "
            "MIR_IMAGES, MIR_TEXTS); their numbers are not comparable with mir's."
        ) from error
    missing = [column for column in columns if column not in dataset.column_names]
    if missing:
        raise MIRDataError(
            f"{source['path']} has no column {', '.join(missing)}, only {', '.join(dataset.column_names)}"
        )
    return dataset


def _describe(source: Mapping[str, Any], dataset: datasets.Dataset) -> str:
    """Path, configuration, split and, where datasets knows it, the revision that was loaded."""
    # Checksums are keyed by 'hf://datasets/OWNER/NAME@REVISION/FILE'.
    urls = dataset.info.download_checksums or {}
    revisions = {url.split("@", 1)[1].split("/", 1)[0] for url in urls if url.startswith("hf://") and "@" in url}
    revision = f"@{'+'.join(sorted(revisions))}" if revisions else ""
    config = f" {source['name']}" if source.get("name") else ""
    return f"{source['path']}{revision}{config} {source['split']}"


def _existing(environment: Mapping[str, str], name: str) -> Path:
    value = environment.get(name, "").strip()
    if not value:
        raise MIRDataError(
            f"mir_local needs the environment variable {name}: set MIR_IMAGES to a folder of images and MIR_TEXTS "
            "to a folder of .txt files or a .jsonl file"
        )
    path = Path(value).expanduser()
    if not path.exists():
        raise MIRDataError(f"{name}: {path} does not exist")
    return path


def _whole_number(environment: Mapping[str, str], name: str, minimum: int) -> int | None:
    value = environment.get(name, "").strip()
    if not value:
        return None
    if not value.isdecimal() or int(value) < minimum:
        raise MIRDataError(f"{name} must be a whole number of at least {minimum}, got {value!r}")
    return int(value)


def _switch(environment: Mapping[str, str], name: str) -> bool:
    value = environment.get(name, "").strip().lower()
    if value not in ("", "0", "1", "true", "false"):
        raise MIRDataError(f"{name} must be 0 or 1, got {value!r}")
    return value in ("1", "true")
