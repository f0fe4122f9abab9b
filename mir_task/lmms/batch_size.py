"""lmms-eval's ``--batch_size`` as a number of pairs."""

from __future__ import annotations

import re
from typing import Any

from loguru import logger


def batch_size_of(lm: Any) -> int:
    """Pairs in a forward pass, by the attribute in which lmms-eval's classes keep ``--batch_size``.

    Args:
        lm: an lmms-eval model object.
    """
    try:
        given = getattr(lm, "batch_size_per_gpu", 1)
    except Exception:  # properties of lmms-eval's classes may fail
        return 1
    batch_size = pairs_at_a_time(given)
    if str(given).strip() != str(batch_size):
        logger.warning(f"{type(lm).__name__} has the batch size {given!r}; MIR shows it one pair at a time")
    return batch_size


def pairs_at_a_time(batch_size: Any) -> int:
    """A batch size as a number: a number, as text too; 1 for ``auto`` and the like.

    Classes of lmms-eval keep whatever they were given, and only some turn it into a number.
    """
    if isinstance(batch_size, (int, str)) and re.fullmatch(r"0*[1-9]\d*", str(batch_size).strip()):
        return int(batch_size)
    return 1
