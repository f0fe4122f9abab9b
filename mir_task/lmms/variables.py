"""The environment variables that the tasks read, and a warning about those that only look like them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache

from loguru import logger

PREFIX = "MIR_"
READ = (
    "MIR_IMAGES",
    "MIR_TEXTS",
    "MIR_PAIRED",
    "MIR_CLIP",
    "MIR_LEVELS",
    "MIR_NUM_PAIRS",
    "MIR_SEED",
    "MIR_MAX_MEMORY",
    "MIR_RESUME",
    "MIR_ON_ERROR",
    "MIR_UNCERTAINTY",
)


def warn_of_unknown(environment: Mapping[str, str] = os.environ) -> None:
    """Warn, once a run, of variables named ``MIR_…`` that no task reads.

    A misspelt number of pairs would otherwise be passed over, and 100 measured. Of several processes the first warns.

    Args:
        environment: holds the variables.
    """
    if environment.get("RANK", "0") == "0":
        _warn(tuple(sorted(name for name in environment if name.startswith(PREFIX) and name not in READ)))


@cache  # all tasks of a run ask for the same warning
def _warn(unknown: tuple[str, ...]) -> None:
    for name in unknown:
        near = _near(name)
        advice = f"did you mean {' or '.join(near)}?" if near else f"it reads {', '.join(READ)}"
        logger.warning(f"mir-task reads no environment variable {name}, so it changes nothing; {advice}")


def _near(name: str) -> list[str]:
    """Variables of similar names, the nearest first. The prefix, which all share, does not count."""
    ends = [read.removeprefix(PREFIX) for read in READ]
    return [PREFIX + end for end in get_close_matches(name.removeprefix(PREFIX).upper(), ends, n=2)]
