"""The course of a measurement: groups of layers, the passes that each takes, and what is kept on disk meanwhile."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from loguru import logger
from tqdm import tqdm

from mir_task.accumulate.statistics import ModalityStatistics
from mir_task.adapters import Adapter
from mir_task.errors import MIRDataError
from mir_task.measurement import plan as memory
from mir_task.measurement.exchange import (
    agree_on_outliers,
    collect_influences,
    measure_layers,
    share_influences,
)
from mir_task.measurement.interrupt import Interrupt, signals_put_off
from mir_task.measurement.passes import Passes, Sinks
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.resume import FinishedLayer, LayerStatistics, PartialStore, Progress, Saved
from mir_task.metric.layers import LayerMeasurement
from mir_task.result import MIN_PAIRS


class Course:
    """Measures all layers of a model, as many at a time as memory allows.

    Args:
        adapter: of the model.
        passes: over this process's pairs.
        ranks: the processes; all go the same course.
        store: of partial statistics.
        identity: what must be the same for partial statistics to be continued.
        max_memory: bytes that statistics may take on each device.
        progress: show a bar, in the first process.

    Attributes:
        timings: seconds spent on the pairs and on the distances.
    """

    def __init__(
        self,
        adapter: Adapter,
        passes: Passes,
        ranks: Ranks,
        store: PartialStore,
        identity: dict[str, Any],
        max_memory: int | None,
        progress: bool,
    ) -> None:
        self._passes, self._ranks, self._store, self._identity = passes, ranks, store, identity
        self._devices = memory.layer_devices(adapter.decoder)
        self._footprint = memory.Footprint(
            d=adapter.hidden_size,
            itemsize=adapter.model.dtype.itemsize,
            groups=passes.groups,
            own_groups=len(passes.own_groups),
            max_text_tokens=passes.max_text_tokens,
            batch_size=passes.batch_size,
        )
        self._max_memory = max_memory
        self._bar = partial(tqdm, desc="MIR: layers", unit="layer", disable=not progress or ranks.rank > 0)
        self._finished: list[FinishedLayer] = []
        self.timings = {"pairs": 0.0, "distances": 0.0}

    def run(self) -> list[LayerMeasurement]:
        """All layers, in order."""
        saved = self._take_up()
        total = len(self._devices)
        while len(self._finished) < total:
            first = len(self._finished) + 1
            wanted = range(first, min(first + self._at_a_time, total + 1))
            if saved is None or saved.progress.layers[:1] != [first]:
                statistics = {layer: (self._statistics(), self._statistics()) for layer in wanted}
                saved = Saved(self._progress(statistics), statistics)
            self._finish(self._measure(saved))
            saved = None
        return [LayerMeasurement(layer.result, layer.left_out) for layer in self._finished]

    def _take_up(self) -> Saved | None:
        """Find out where to begin: where the process is that has come farthest; plan the rest."""
        with self._ranks.together():
            saved = self._store.load(self._identity, self._devices)
            if saved is not None:
                self._check_pair(saved.progress)
            budgets = {device: memory.budget(device, self._max_memory) for device in set(self._devices)}
            plan = memory.plan(self._footprint, self._devices, budgets)
        # The neediest process plans for all, but what was begun goes on as it was begun.
        plan = max(self._ranks.gather(plan), key=lambda each: each.passes)
        self._parts, self._at_a_time = plan.parts, plan.layers
        begun = [progress for progress in self._ranks.gather(saved.progress if saved else None) if progress]
        for progress in begun:
            self._parts, self._at_a_time = progress.parts, progress.layers_at_a_time
            self._finished = max(self._finished, progress.finished, key=len)
        with self._ranks.together():
            if self._ranks.rank == 0 and not begun:
                memory.check(plan, budgets, self._max_memory)
        if saved is not None:
            logger.info(
                f"MIR goes on where it was cut short: {len(self._finished)} layers finished, "
                f"{saved.progress.seen} pairs of the next ones seen"
            )
            self._passes.ids, self._passes.skipped = saved.progress.ids, saved.progress.skipped
            self._passes.batch_size = saved.progress.batch_size
        return saved

    def _check_pair(self, progress: Progress) -> None:
        for number, name in list(progress.ids.items())[:1]:
            if (now := self._passes.name(number)) != name:
                raise MIRDataError(
                    f"resume: pair number {number + 1} was {name} and is {now}; take another folder for other pairs"
                )

    def _measure(self, saved: Saved) -> dict[int, LayerMeasurement]:
        """The layers whose statistics were begun, or as many of them as there turns out to be memory for."""
        ranks, statistics = self._ranks, saved.statistics
        started = time.perf_counter()
        collect = partial(self._collect, statistics=statistics)
        again_already = any(part.passes > 1 for layer in statistics.values() for part in layer)
        with ranks.together():
            if not again_already:
                collect("MIR: pairs", statistics, start=saved.progress.seen, halve=True)
        self._agree(statistics)
        again: Sinks = {
            layer: (_if_again(vision), _if_again(text)) for layer, (vision, text) in statistics.items()
        }
        clouds = sum(sink is not None for layer in again.values() for sink in layer)
        with ranks.together():
            if clouds:
                logger.info(
                    f"Outliers of {clouds} of {2 * len(statistics)} clouds were not held back: second pass"
                )
                seen = saved.progress.seen if again_already else 0
                collect("MIR: pairs again, outliers known", again, start=seen)
            for layer in statistics.values():
                for part in layer:
                    part.settle()
        masks = {
            layer: (vision.outlier_masks, text.outlier_masks) for layer, (vision, text) in statistics.items()
        }
        measured = time.perf_counter()
        layers = measure_layers(ranks, statistics, self._devices, self._bar)
        distances = time.perf_counter()
        influences = share_influences(ranks, layers, masks, self._devices)
        if influences:
            logger.info("No room to keep the groups of pairs apart: one more pass for the standard error")
            with ranks.together():
                self._passes.run("MIR: pairs again, standard error", influences)
            collect_influences(ranks, layers, influences)
        layers = {layer: each.complete() for layer, each in layers.items()}
        self.timings["pairs"] += measured - started + time.perf_counter() - distances
        self.timings["distances"] += distances - measured
        return {layer: each for part in ranks.gather(layers) for layer, each in part.items()}

    def _collect(
        self, description: str, sinks: Sinks, *, statistics: LayerStatistics, start: int, halve: bool = False
    ) -> None:
        """A pass that can be interrupted: what it has come to is on disk every few minutes, and at its end."""
        if not self._store.used:
            self._passes.run(description, sinks, start, halve=halve)
            return
        with signals_put_off() as interrupt:

            def after(seen: int) -> None:
                if interrupt or self._store.due or seen == len(self._passes.share):
                    self._save(statistics, seen, interrupt)

            self._passes.run(description, sinks, start, after, halve)

    def _save(self, statistics: LayerStatistics, seen: int, interrupt: Interrupt) -> None:
        self._store.save(self._progress(statistics, seen), statistics)
        interrupt.end()

    def _progress(self, statistics: LayerStatistics, seen: int = 0) -> Progress:
        return Progress(
            identity=self._identity,
            parts=self._parts,
            layers_at_a_time=self._at_a_time,
            finished=self._finished,
            layers=list(statistics),
            seen=seen,
            ids=self._passes.ids,
            skipped=self._passes.skipped,
            batch_size=self._passes.batch_size,
        )

    def _agree(self, statistics: LayerStatistics) -> None:
        """On the layers that all processes had memory for, on how many pairs there are, on what is an outlier."""
        fewest = min(self._ranks.gather(len(statistics)))
        for layer in list(statistics)[fewest:]:
            del statistics[layer]
        self._at_a_time = min(self._at_a_time, fewest)
        counted = self._ranks.gather((len(self._passes.ids), list(self._passes.skipped.values())))
        reasons = [reason for _, skipped in counted for reason in skipped]
        if reasons and sum(count for count, _ in counted) < MIN_PAIRS:
            raise MIRDataError(
                f"MIR needs at least {MIN_PAIRS} pairs, and {len(reasons)} were skipped; the first: {reasons[0]}"
            )
        agree_on_outliers(self._ranks, statistics)

    def _finish(self, layers: dict[int, LayerMeasurement]) -> None:
        self._finished = [*self._finished, *(FinishedLayer.of(layers[number]) for number in sorted(layers))]
        if len(self._finished) < len(self._devices):
            self._store.save(self._progress({}), {})

    def _statistics(self) -> ModalityStatistics:
        return ModalityStatistics(self._passes.groups, self._parts, self._passes.own_groups)


def _if_again(part: ModalityStatistics) -> ModalityStatistics | None:
    """The statistics, ready for a second pass, if they need one."""
    if part.needs_another_pass:
        part.restart()
    return part if part.passes > 1 else None
