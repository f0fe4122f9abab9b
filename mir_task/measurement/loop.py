"""The loop over a model's layers: groups of layers, the passes that each takes, and what is kept on disk meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from loguru import logger
from tqdm import tqdm

from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.outliers import OutlierRule
from mir_task.accumulate.statistics import FirstPass, SecondPass, Settled, Statistics
from mir_task.errors import MIRDataError
from mir_task.measurement.devices import budget, layer_devices
from mir_task.measurement.exchange import (
    agree_on_outliers,
    collect_influences,
    measure_layers,
    share_influences,
)
from mir_task.measurement.interrupt import signals_put_off
from mir_task.measurement.passes import Passes, Takers
from mir_task.measurement.plan import Footprint, Plan, announce, fewest_passes
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.resume import FinishedLayer, PartialStore, Phase, Progress
from mir_task.measurement.side_by_side import layers_at_once
from mir_task.metric.layers import LayerMeasurement, PendingLayer, too_few_rows
from mir_task.result import MIN_PAIRS

T = TypeVar("T")


class LayerLoop:
    """Measures all layers of a model, as many at a time as memory allows.

    Args:
        passes: over this process's pairs.
        ranks: the processes, all of which go through the same layers.
        store: of partial statistics.
        identity: what must be the same for partial statistics to be continued.

    Attributes:
        timings: seconds spent on the pairs and on the distances.
    """

    def __init__(self, passes: Passes, ranks: Ranks, store: PartialStore, identity: dict[str, Any]) -> None:
        self._passes, self._ranks, self._store, self._identity = passes, ranks, store, identity
        self._settings = passes.settings
        self._devices = layer_devices(passes.adapter.decoder)
        self._finished: list[FinishedLayer] = []
        self._statistics: dict[int, Modalities[Statistics]] = {}
        """By the number of each layer that is measured now."""
        self._phase: Phase = "between layers"
        self._seen = 0
        self.timings = {"pairs": 0.0, "distances": 0.0}

    def run(self) -> list[LayerMeasurement]:
        """All layers, in order."""
        self._plan = self._take_up()
        while len(self._finished) < len(self._devices):
            first = len(self._finished) + 1
            # What this process had begun counts unless another one has come farther.
            if next(iter(self._statistics), None) != first:
                self._begin(range(first, min(first + self._plan.layers, len(self._devices) + 1)))
            self._finish(self._measure())
        return [LayerMeasurement(layer.result, layer.left_out) for layer in self._finished]

    def _take_up(self) -> Plan:
        """Find out where to begin: where the process is that has come farthest; plan the rest."""
        passes, ranks = self._passes, self._ranks
        with ranks.together():
            saved = self._store.load(self._identity, self._devices, self._settings.buffers)
            if saved is not None:
                progress = saved.progress
                passes.go_on(progress.ids, progress.contents, progress.skipped, progress.batch_size)
        begun = [each for each in ranks.gather(saved.progress if saved else None) if each is not None]
        plan = self._planned(announced=not begun)
        for progress in begun:  # what was begun goes on as it was begun
            plan = Plan(progress.layers_at_a_time, progress.scatters)
            self._finished = max(self._finished, progress.finished, key=len)
        if saved is not None:
            logger.info(
                f"MIR goes on where it was cut short: {len(self._finished)} layers finished, "
                f"{saved.progress.seen} pairs of the next ones seen"
            )
            self._phase, self._seen = saved.progress.phase, saved.progress.seen
            self._statistics = dict(saved.statistics)
        return plan

    def _planned(self, announced: bool) -> Plan:
        """The plan of the process that has the least memory, or the one that was set."""
        passes, settings = self._passes, self._settings
        if settings.plan is not None:
            return settings.plan
        footprint = Footprint(
            d=passes.adapter.hidden_size,
            itemsize=passes.adapter.model.dtype.itemsize,
            groups=passes.groups,
            own_groups=len(passes.own_groups),
            max_text_tokens=settings.max_text_tokens,
            batch_size=passes.batch_size,
            buffers=settings.buffers,
        )
        with self._ranks.together():
            budgets = {device: budget(device, settings.max_memory) for device in set(self._devices)}
            estimate = fewest_passes(footprint, self._devices, budgets)
        estimate = max(self._ranks.gather(estimate), key=lambda each: each.passes)
        with self._ranks.together():
            if self._ranks.rank == 0 and announced:
                announce(estimate, budgets, settings.max_memory)
        return estimate.plan

    def _begin(self, layers: range) -> None:
        groups, own, buffers = self._passes.groups, self._passes.own_groups, self._settings.buffers

        def empty(pairwise: bool = False) -> FirstPass:
            return FirstPass(groups, self._plan.scatters, own, buffers, pairwise)

        self._statistics = {layer: Modalities(empty(pairwise=True), empty()) for layer in layers}
        self._phase, self._seen = "first pass", 0

    def _measure(self) -> dict[int, LayerMeasurement]:
        """The layers that were begun, or as many of them as there turns out to be memory for."""
        with self._timed("pairs"):
            self._first_pass()
            settled = self._second_pass()
        masks = {layer: each.map(lambda own: own.outlier_masks) for layer, each in settled.items()}
        with self._timed("distances"):
            bar = partial(
                tqdm,
                desc="MIR: layers",
                unit="layer",
                disable=not self._settings.progress or self._ranks.rank > 0,
            )
            given_up = _given_up(settled)
            width = self._passes.adapter.hidden_size
            at_once = min(layers_at_once(width, device) for device in self._devices)
            measured = measure_layers(self._ranks, given_up, self._devices, self._settings, bar, at_once)
        with self._timed("pairs"):
            influences = share_influences(self._ranks, measured, masks, self._devices)
            if influences:
                logger.info("No room to keep the groups of pairs apart: one more pass for the standard error")
                with self._ranks.together():
                    self._passes.run("MIR: pairs again, standard error", influences)
                collect_influences(self._ranks, measured, influences)
        complete = {
            layer: each.complete() if isinstance(each, PendingLayer) else each
            for layer, each in measured.items()
        }
        return {layer: each for part in self._ranks.gather(complete) for layer, each in part.items()}

    def _first_pass(self) -> None:
        """The pass that all statistics need; afterwards each is settled, or waits for a second one."""
        with self._ranks.together():
            if self._phase == "first pass":
                takers = {layer: each.map(_first) for layer, each in self._statistics.items()}
                dropped = self._collect("MIR: pairs", takers, self._clear)
                self._keep([layer for layer in self._statistics if layer not in dropped])
        # The same layers in all processes.
        self._keep(list(self._statistics)[: min(self._ranks.gather(len(self._statistics)))])
        self._plan = Plan(min(self._plan.layers, len(self._statistics)), self._plan.scatters)
        self._check_enough_pairs()
        rules = agree_on_outliers(self._ranks, self._statistics)
        with self._ranks.together():
            if self._phase == "first pass":
                self._statistics = {
                    layer: _closed(layer, each, rules[layer]) for layer, each in self._statistics.items()
                }
                self._phase, self._seen = "second pass", 0

    def _second_pass(self) -> dict[int, Modalities[Settled]]:
        """The pass that only statistics need whose outliers had not all been waiting."""
        takers: Takers = {
            layer: each.map(lambda own: own if isinstance(own, SecondPass) else None)
            for layer, each in self._statistics.items()
        }
        clouds = sum(taker is not None for each in takers.values() for taker in each)
        if self._passes.adapter.sharding:  # all processes run the model, or none
            clouds = max(self._ranks.gather(clouds))
        with self._ranks.together():
            if clouds:
                logger.info(
                    f"Outliers of {clouds} of {2 * len(takers)} clouds had not been waiting: second pass"
                )
                self._collect("MIR: pairs again, outliers known", takers)
            settled = {layer: each.map(_settled) for layer, each in self._statistics.items()}
        self._statistics = {}
        return settled

    def _collect(
        self, description: str, takers: Takers, release: Callable[[int], None] | None = None
    ) -> list[int]:
        """A pass that can be interrupted: what it has come to is on disk every few minutes, and at its end."""
        if not self._store.used:
            return self._passes.run(description, takers, self._seen, release=release)
        with signals_put_off() as interrupt:

            def after(seen: int, layers: Sequence[int]) -> None:
                if interrupt or self._store.due or seen == len(self._passes.share):
                    self._save(seen, layers)
                    interrupt.end()

            return self._passes.run(description, takers, self._seen, after, release)

    def _clear(self, layer: int) -> None:
        for statistics in self._statistics[layer].map(_first):
            statistics.clear()

    def _keep(self, layers: Sequence[int]) -> None:
        self._statistics = {layer: self._statistics[layer] for layer in layers}

    def _save(self, seen: int, layers: Sequence[int]) -> None:
        statistics = {layer: self._statistics[layer] for layer in layers}
        progress = Progress(
            identity=self._identity,
            scatters=self._plan.scatters,
            layers_at_a_time=self._plan.layers,
            finished=self._finished,
            phase=self._phase,
            layers=list(statistics),
            seen=seen,
            ids=self._passes.ids,
            contents=self._passes.contents,
            skipped=self._passes.skipped,
            batch_size=self._passes.batch_size,
        )
        self._store.save(progress, statistics)

    def _check_enough_pairs(self) -> None:
        counted = self._ranks.gather((len(self._passes.ids), list(self._passes.skipped.values())))
        reasons = [reason for _, skipped in counted for reason in skipped]
        if reasons and sum(count for count, _ in counted) < MIN_PAIRS:
            raise MIRDataError(
                f"MIR needs at least {MIN_PAIRS} pairs, and {len(reasons)} were skipped; the first: {reasons[0]}"
            )

    def _finish(self, layers: dict[int, LayerMeasurement]) -> None:
        self._finished = [*self._finished, *(FinishedLayer.of(layers[number]) for number in sorted(layers))]
        self._phase, self._seen = "between layers", 0
        if len(self._finished) < len(self._devices):
            self._save(0, [])

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.timings[name] += time.perf_counter() - started


def _closed(
    layer: int, modalities: Modalities[Statistics], rules: Modalities[OutlierRule | None]
) -> Modalities[Statistics]:
    """Statistics of a layer after their first pass."""
    closed = []
    for (modality, first), rule in zip(modalities.map(_first).named(), rules, strict=True):
        with too_few_rows(layer, modality):
            closed.append(first.close(rule))
    return Modalities[Statistics](*closed)


def _first(statistics: Statistics) -> FirstPass:
    assert isinstance(statistics, FirstPass), "in their first pass"
    return statistics


def _settled(statistics: Statistics) -> Settled:
    assert not isinstance(statistics, FirstPass), "behind their first pass"
    return statistics.close() if isinstance(statistics, SecondPass) else statistics


def _given_up(things: dict[int, T]) -> Iterator[tuple[int, T]]:
    """Things in order of their numbers, each forgotten when it is handed over: its memory is needed."""
    for number in sorted(things):
        yield number, things.pop(number)
