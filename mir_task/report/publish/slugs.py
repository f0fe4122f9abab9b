"""File names from names of models, safe on every file system."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

LONGEST = 80
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""


def slugs(names: Iterable[str]) -> dict[str, str]:
    """A file name for every name: letters, digits, ``.``, ``_`` and ``-`` of ASCII, never hidden, never two alike.

    ``org/model`` becomes ``org__model``, as in lmms-eval's folders. Names that would share a file name, also where
    upper and lower case are one, each get eight digits of their SHA-256.
    """
    plain = {name: _plain(name) for name in names}
    counts = Counter(slug.casefold() for slug in plain.values())
    return {
        name: slug if counts[slug.casefold()] == 1 and slug else f"{slug or 'model'}-{_digest(name)}"
        for name, slug in plain.items()
    }


def _plain(name: str) -> str:
    parts = [part for part in re.split(r"[/\\]+", name) if part.strip(". ")]
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", "__".join(parts))[:LONGEST].strip(".-")
    return f"{slug}-model" if RESERVED.fullmatch(slug) else slug


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
