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
    plan: Plan | None = None
    """How the layers are gone through; default: as the free memory allows."""
    buffers: BufferSizes = field(default_factory=BufferSizes)
    """How many rows wait for the outlier rule and are sampled."""
    linearise_above: int = LINEARISE_ABOVE
    """Hidden size from which one decomposition serves the standard error of all groups."""
    saving: Saving = field(default_factory=Saving)

    def __post_init__(self) -> None:
        if self.max_text_tokens < 1:
            raise MIRDataError(f"max_text_tokens must be at least 1, got {self.max_text_tokens}")
        if self.batch_size < 1:
            raise MIRDataError(f"batch_size must be at least 1, got {self.batch_size}")
        if self.on_error not in get_args(OnError):
            raise MIRDataError(f"on_error must be 'raise' or 'skip', got {self.on_error!r}")
