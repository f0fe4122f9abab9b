"""Settings of a measurement from the environment: memory, a folder to continue from, what to do with a bad pair."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mir_task.errors import MIRDataError
from mir_task.measurement.settings import MeasurementSettings
from mir_task.measurement.sizes import parsed_size


def settings_from_environment(
    max_text_tokens: int, batch_size: int, environment: Mapping[str, str] = os.environ
) -> MeasurementSettings:
    """What the task and lmms-eval say, and the variables that say how to measure.

    They are ``MIR_MAX_MEMORY`` (as ``12GiB``), ``MIR_RESUME``, ``MIR_ON_ERROR`` and ``MIR_UNCERTAINTY`` (0 or 1).

    Raises:
        MIRDataError: naming the variable and what it may be.
    """
    on_error = environment.get("MIR_ON_ERROR", "").strip().lower() or "raise"
    if on_error not in ("raise", "skip"):
        raise MIRDataError(f"MIR_ON_ERROR must be raise or skip, got {on_error!r}")
    uncertainty = environment.get("MIR_UNCERTAINTY", "").strip() or "1"
    if uncertainty not in ("0", "1"):
        raise MIRDataError(f"MIR_UNCERTAINTY must be 0 or 1, got {uncertainty!r}")
    folder = environment.get("MIR_RESUME", "").strip()
    return MeasurementSettings(
        max_text_tokens=max_text_tokens,
        batch_size=batch_size,
        max_memory=parsed_size(environment.get("MIR_MAX_MEMORY"), "MIR_MAX_MEMORY"),
        resume=Path(folder).expanduser() if folder else None,
        on_error="skip" if on_error == "skip" else "raise",
        uncertainty=uncertainty != "0",
    )
