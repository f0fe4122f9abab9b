"""All settings of a measurement, as one thing that travels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from mir_task.accumulate.buffers import BufferSizes
from mir_task.errors import MIRDataError
from mir_task.measurement.plan import Plan
from mir_task.metric.uncertainty import LINEARISE_ABOVE

OnError = Literal["raise", "skip"]

DEFAULT_MAX_TEXT_TOKENS = 1024


@dataclass(frozen=True)
class Saving:
    """When partial statistics go to disk."""

    every_seconds: float = 120.0
    share_of_time: float = 0.1
    """Share of the time that saving may take: large statistics are saved more rarely."""


@dataclass(frozen=True)
class MeasurementSettings:
    """Settings of a measurement. The arguments of :func:`mir_task.measure` are described there.

    Raises:
        MIRDataError: a setting that makes no sense, by name.
    """

    max_text_tokens: int = DEFAULT_MAX_TEXT_TOKENS
    batch_size: int = 1
    max_memory: int | None = None
    resume: Path | None = None
    on_error: OnError = "raise"
    progress: bool = True
    uncertainty: bool = True
    plan: Plan | None = None
    """How the layers are gone through; default: as the free memory allows."""
    buffers: BufferSizes = field(default_factory=BufferSizes)
    """How many rows wait for the outlier rule and are sampled."""
    linearise_above: int = LINEARISE_ABOVE
    """Hidden size from which one decomposition serves the standard error of all groups."""
    saving: Saving = field(default_factory=Saving)

    def __post_init__(self) -> None:
        for name in ("max_text_tokens", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise MIRDataError(f"{name} must be a whole number of at least 1, got {value!r}")
        if self.on_error not in get_args(OnError):
            raise MIRDataError(f"on_error must be 'raise' or 'skip', got {self.on_error!r}")
