"""Settings of a measurement from the environment: memory, a folder to continue from, what to do with a bad pair."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mir_task.errors import MIRDataError
from mir_task.measurement.settings import MeasurementSettings

UNITS = {"": 1, "b": 1, **{unit: 1000**power for power, unit in enumerate(("kb", "mb", "gb", "tb"), start=1)}}
UNITS |= {unit: 1024**power for power, unit in enumerate(("kib", "mib", "gib", "tib"), start=1)}


def settings_from_environment(
    max_text_tokens: int, batch_size: int, environment: Mapping[str, str] = os.environ
) -> MeasurementSettings:
    """What the task and lmms-eval say, and ``MIR_MAX_MEMORY`` (as ``12GiB``), ``MIR_RESUME`` and ``MIR_ON_ERROR``.

    Raises:
        MIRDataError: naming the variable and what it may be.
    """
    on_error = environment.get("MIR_ON_ERROR", "").strip().lower() or "raise"
    if on_error not in ("raise", "skip"):
        raise MIRDataError(f"MIR_ON_ERROR must be raise or skip, got {on_error!r}")
    folder = environment.get("MIR_RESUME", "").strip()
    return MeasurementSettings(
        max_text_tokens=max_text_tokens,
        batch_size=batch_size,
        max_memory=_bytes(environment.get("MIR_MAX_MEMORY", "")),
        resume=Path(folder).expanduser() if folder else None,
        on_error="skip" if on_error == "skip" else "raise",
    )


def _bytes(value: str) -> int | None:
    """A size such as ``12GiB``, ``500 MB`` or ``1000000``; None if empty."""
    if not value.strip():
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", value.strip().lower())
    if found is None or found[2] not in UNITS or float(found[1]) == 0:
        raise MIRDataError(f"MIR_MAX_MEMORY must be a size such as 12GiB, got {value!r}")
    return int(float(found[1]) * UNITS[found[2]])
