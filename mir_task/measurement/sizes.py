"""Sizes of memory as people write them."""

from __future__ import annotations

import re

from mir_task.errors import MIRDataError

UNITS = {"": 1, "b": 1, **{unit: 1000**power for power, unit in enumerate(("kb", "mb", "gb", "tb"), start=1)}}
UNITS |= {unit: 1024**power for power, unit in enumerate(("kib", "mib", "gib", "tib"), start=1)}


def parsed_size(value: int | str | None, name: str) -> int | None:
    """Bytes of a size such as ``12GiB``, ``500 MB`` or 1000000; None if there is none.

    Args:
        value: the size; an empty string is none.
        name: the setting's, for the message.

    Raises:
        MIRDataError: it is no size, or not above zero.
    """
    text = "" if value is None else str(value).strip().lower()
    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text)
    if isinstance(value, bool) or found is None or found[2] not in UNITS or float(found[1]) == 0:
        raise MIRDataError(f"{name} must be a size such as 12GiB, got {value!r}")
    return int(float(found[1]) * UNITS[found[2]])
