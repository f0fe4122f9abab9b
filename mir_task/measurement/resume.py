"""Partial statistics on disk, from which an interrupted measurement continues to the same number bit for bit.

A folder holds a numbered folder for each time that a process has saved: ``rank-0-of-1/000012`` with a safetensors file
for each layer, whole before it gets its number. Only the newest is kept.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from loguru import logger
from pydantic import BaseModel
from safetensors.torch import load_file, save_file

from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.state import State, part_of, under
from mir_task.accumulate.statistics import FirstPass, SecondPass, Settled, Statistics
from mir_task.errors import MIRDataError
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.settings import Saving
from mir_task.metric.layers import LayerMeasurement
from mir_task.result import LayerResult

Phase = Literal["between layers", "first pass", "second pass"]
"""What a process is doing: nothing that is half done, or a pass over the pairs."""
STATES: dict[str, type[FirstPass] | type[SecondPass] | type[Settled]] = {
    "first": FirstPass,
    "second": SecondPass,
    "settled": Settled,
}
"""What statistics are, by the name under which they are on disk."""

LayerStatistics = Mapping[int, Modalities[Statistics]]
"""Statistics of both modalities, by the layer's number."""


class FinishedLayer(BaseModel):
    """A layer whose distance is known."""

    result: LayerResult
    left_out: list[float]

    @classmethod
    def of(cls, layer: LayerMeasurement) -> FinishedLayer:
        """What is kept of a measured layer."""
        return cls(result=layer.result, left_out=layer.left_out)


class Progress(BaseModel):
    """How far a process has come."""

    identity: dict[str, Any]
    """What must be the same when it goes on."""
    scatters: int
    layers_at_a_time: int
    finished: list[FinishedLayer] = []
    phase: Phase = "between layers"
    layers: list[int] = []
    """Layers whose statistics are in the folder."""
    seen: int = 0
    """Pairs of this process's share, in the pass that goes on."""
    ids: dict[int, str] = {}
    """Names of the pairs measured, by number."""
    contents: dict[int, str] = {}
    """Hashes of their images and texts."""
    skipped: dict[int, str] = {}
    batch_size: int = 1
    """Pairs shown together, as many as there turned out to be memory for."""


@dataclass(frozen=True)
class Saved:
    """What was found on disk."""

    progress: Progress
    statistics: LayerStatistics


class PartialStore:
    """Where one process puts its partial statistics.

    Args:
        folder: of the measurement; None: nothing is ever saved.
        ranks: the processes, each of which has a folder of its own in it.
        saving: how often.
    """

    def __init__(self, folder: Path | None, ranks: Ranks, saving: Saving) -> None:
        self._folder = None if folder is None else folder / f"rank-{ranks.rank}-of-{ranks.size}"
        self._root, self._saving = folder, saving
        self._last, self._took = time.monotonic(), 0.0

    @property
    def used(self) -> bool:
        """Whether anything is to be saved."""
        return self._folder is not None

    @property
    def due(self) -> bool:
        """Whether it is time to save again."""
        waited = time.monotonic() - self._last
        return self.used and waited >= max(
            self._saving.every_seconds, self._took / self._saving.share_of_time
        )

    def save(self, progress: Progress, statistics: LayerStatistics) -> None:
        """Save all; where that fails (a full disk), what was saved before stays and the measurement goes on."""
        if self._folder is None:
            return
        started = time.monotonic()
        try:
            self._write(self._folder, progress, statistics)
        except OSError as error:
            logger.error(
                f"Could not save partial statistics to {self._folder}: {error}; the measurement goes on"
            )
        self._last = time.monotonic()
        self._took = self._last - started

    def _write(self, folder: Path, progress: Progress, statistics: LayerStatistics) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        for layer, modalities in statistics.items():
            path = unfinished / f"layer-{layer:03d}.safetensors"
            save_file(_state_of(modalities), path)
            _to_disk(path)
        path = unfinished / "progress.json"
        path.write_text(progress.model_dump_json(), encoding="utf-8")
        _to_disk(path)
        numbers = _numbers(folder)
        unfinished.rename(folder / f"{max(numbers, default=0) + 1:06d}")
        for number in numbers:
            shutil.rmtree(folder / f"{number:06d}", ignore_errors=True)

    def load(
        self, identity: Mapping[str, Any], devices: Sequence[torch.device], buffers: BufferSizes
    ) -> Saved | None:
        """What was saved last, if anything.

        Args:
            identity: what must be as in the :class:`Progress` saved.
            devices: where each layer's statistics are to live.
            buffers: how many rows wait and are sampled.

        Raises:
            MIRDataError: it is of another measurement (naming what differs), or cannot be read.
        """
        if self._folder is None or self._root is None:
            return None
        of = self._folder.name[self._folder.name.index("-of-") :]
        others = [path.name for path in self._root.glob("rank-*-of-*") if not path.name.endswith(of)]
        if others:
            raise MIRDataError(
                f"resume: {self._root} was begun by another number of processes ({', '.join(sorted(others))}); "
                "continue with as many, or take another folder"
            )
        numbers = _numbers(self._folder)
        if not numbers:
            return None
        folder = self._folder / f"{max(numbers):06d}"
        try:
            progress = Progress.model_validate_json((folder / "progress.json").read_text(encoding="utf-8"))
            _check_identity(progress, identity, folder)
            statistics = {
                layer: _statistics_from(
                    load_file(folder / f"layer-{layer:03d}.safetensors"), buffers, devices[layer - 1]
                )
                for layer in progress.layers
            }
        except MIRDataError:
            raise
        except Exception as error:  # safetensors, pydantic and torch raise classes of their own
            raise MIRDataError(f"resume: cannot read {folder}: {error!r}; remove it to start anew") from error
        return Saved(progress, statistics)

    def remove(self) -> None:
        """Remove what this process has saved: the measurement is complete."""
        if self._folder is not None and self._root is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            with suppress(OSError):
                self._root.rmdir()  # by the last of the processes, if nothing else is in it


def _check_identity(progress: Progress, identity: Mapping[str, Any], folder: Path) -> None:
    changed = [
        f"{name} (was {progress.identity.get(name)!r}, is {value!r})"
        for name, value in identity.items()
        if progress.identity.get(name) != value
    ]
    if changed:
        raise MIRDataError(
            f"resume: {folder} is of another measurement: {'; '.join(changed)}; take another folder"
        )


def _state_of(modalities: Modalities[Statistics]) -> State:
    state: State = {}
    for modality, statistics in modalities.named():
        (name,) = (name for name, kind in STATES.items() if type(statistics) is kind)
        state |= under(f"{modality}.{name}", statistics.state())
    # Clones of what is not contiguous; safetensors takes nothing else.
    return {name: value.contiguous() for name, value in state.items()}


def _statistics_from(state: State, buffers: BufferSizes, device: torch.device) -> Modalities[Statistics]:
    def modality(name: str) -> Statistics:
        own = part_of(state, name)
        (kind,) = {key.partition(".")[0] for key in own}
        return STATES[kind].from_state(part_of(own, kind), buffers, device)

    return Modalities(modality("vision"), modality("text"))


def _numbers(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.glob("[0-9]*") if path.name.isdecimal())


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
