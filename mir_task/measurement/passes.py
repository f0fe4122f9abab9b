"""Passes over the pairs of one process: each pair goes through the model, its rows to whatever takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from loguru import logger
from tqdm import tqdm

from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.reservoir import random_keys
from mir_task.accumulate.taker import RowTaker
from mir_task.adapters import Adapter
from mir_task.adapters.prefill import PairRows, PreparedPair, prefill
from mir_task.adapters.sight import check_sight
from mir_task.errors import MIRDataError, MIRError, MIRModelError, naming
from mir_task.measurement.out_of_memory import out_of_memory, reason
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.settings import MeasurementSettings
from mir_task.metric.uncertainty import GROUPS
from mir_task.pair import NamedPair, content_id, opened

Takers = Mapping[int, Modalities[RowTaker | None]]
"""By the layer's number, what takes its vision rows and its text rows; None: nothing does."""

AfterPairs = Callable[[int, Sequence[int]], None]
"""Called with the number of pairs that a pass has seen, and the layers that have taken the rows of all of them."""


class Passes:
    """This process's share of the pairs, to be shown to the model as often as needed.

    Args:
        adapter: how the model is fed.
        pairs: the pairs of all processes, the same everywhere; only the share's are opened.
        ranks: the processes.
        settings: of the measurement.

    Attributes:
        groups: into how many groups of neighbours all the pairs are divided.
        share: numbers of the pairs that this process shows.
        ids: names of the pairs measured so far, by number.
        contents: hashes of the images and texts of these pairs, by number.
        skipped: why pairs were left out, by number.
        batch_size: pairs shown together: as set, or as many as there turned out to be memory for.
    """

    def __init__(
        self, adapter: Adapter, pairs: Sequence[Any], ranks: Ranks, settings: MeasurementSettings
    ) -> None:
        self.adapter, self._pairs, self.settings = adapter, pairs, settings
        self.groups = min(GROUPS, len(pairs)) if settings.uncertainty else 1
        self.share = ranks.share(len(pairs))
        # Where weights are sharded all processes run the model equally often.
        self._uncounted = ranks.largest_share(len(pairs)) - len(self.share) if adapter.sharding else 0
        self.ids: dict[int, str] = {}
        self.contents: dict[int, str] = {}
        self.skipped: dict[int, str] = {}
        self.batch_size = settings.batch_size if adapter.batched else 1
        self._shows_progress = settings.progress and ranks.rank == 0

    @property
    def own_groups(self) -> set[int]:
        """The groups that this process sees pairs of."""
        return {self.group(number) for number in self.share}

    def group(self, number: int) -> int:
        """The group of a pair: neighbours share one, so that rows that are added together mostly are of one group."""
        return number * self.groups // len(self._pairs)

    def open(self, number: int) -> NamedPair:
        """A pair, checked.

        Raises:
            MIRDataError: naming the pair.
        """
        return opened(self._pairs, number)

    def go_on(
        self, ids: Mapping[int, str], contents: Mapping[int, str], skipped: Mapping[int, str], batch_size: int
    ) -> None:
        """Go on from what an interrupted measurement had seen.

        Raises:
            MIRDataError: a pair that it had measured is another one now, or has another image or text.
        """
        for number, name in ids.items():
            pair = self.open(number)
            if pair.name != name:
                raise MIRDataError(
                    f"resume: pair number {number + 1} was {name} and is {pair.name}; take another folder for other "
                    "pairs"
                )
            if content_id(pair) != contents[number]:
                raise MIRDataError(
                    f"resume: pair {name} has another image or text than when it was measured; take another folder"
                )
        self.ids, self.contents, self.skipped = dict(ids), dict(contents), dict(skipped)
        self.batch_size = batch_size

    def skip(self, number: int, failure: MIRError) -> None:
        """Leave a pair out if that was asked for, and it was not measured in an earlier pass.

        Raises:
            MIRError: the failure, if not.
        """
        if self.settings.on_error != "skip" or number in self.ids:
            raise failure
        logger.warning(f"Skipped: {failure}")
        self.skipped[number] = str(failure)

    def run(
        self,
        description: str,
        takers: Takers,
        start: int = 0,
        after: AfterPairs = lambda _seen, _layers: None,
        release: Callable[[int], None] | None = None,
    ) -> list[int]:
        """Show all pairs of the share once.

        Args:
            description: for the progress bar.
            takers: what takes the rows, for the layers wanted.
            start: how many pairs of the share have been seen in this pass already.
            after: called whenever the rows of all pairs seen have been handed on.
            release: when memory runs out, layers are dropped from the end, to be measured in another pass; this is
                called with the number of each, to give its memory back. None: no layer may be dropped.

        Returns:
            The layers that were dropped.

        Raises:
            MIRError: naming the pair.
        """
        one = _OnePass(self, takers, release)
        # The first pair, alone, tells whether the family's placeholder means what we take it to mean. Which pairs are
        # shown together must not depend on where a pass was cut short.
        one.checked = any(number not in self.skipped for number in self.share[:start])
        seen = start
        with tqdm(
            desc=description,
            unit="pair",
            initial=start,
            total=len(self.share),
            disable=not self._shows_progress,
        ) as bar:
            while seen < len(self.share):
                numbers = self.share[seen : seen + (self.batch_size if one.checked else 1)]
                one.show([number for number in numbers if number not in self.skipped])
                seen += len(numbers)
                bar.update(len(numbers))
                after(seen, list(one.takers))
        for _ in range(self._uncounted):
            one.show_uncounted(self.share[0])
        return [layer for layer in takers if layer not in one.takers]


class _OnePass:
    """One pass under way: the layers still taken, and whether the first pair was checked."""

    def __init__(self, passes: Passes, takers: Takers, release: Callable[[int], None] | None) -> None:
        self._passes, self.takers, self._release = passes, dict(takers), release
        self.checked = False

    def show(self, numbers: Sequence[int]) -> None:
        """Show pairs to the model together and hand their rows on; with too little memory fewer, or fewer layers."""
        failure = self._attempt(numbers)
        if failure is None:
            return
        torch.cuda.empty_cache()
        if self._passes.adapter.sharding:  # no second attempt, in which other processes would have to join
            raise failure
        if len(numbers) > 1:
            self._passes.batch_size = (len(numbers) + 1) // 2
            logger.warning(f"{failure}. From here on at most {self._passes.batch_size} together")
            while numbers:
                together, numbers = numbers[: self._passes.batch_size], numbers[self._passes.batch_size :]
                self.show(together)
        elif self._release is not None and len(self.takers) > 1:
            self._drop((len(self.takers) + 1) // 2, failure, self._release)
            self.show(numbers)
        else:
            self._passes.skip(numbers[0], failure)

    def show_uncounted(self, number: int) -> None:
        """Show a pair once more whose rows nothing takes."""
        self._passes.adapter.prefill(self._prepared(self._passes.open(number)).inputs)

    def _attempt(self, numbers: Sequence[int]) -> MIRModelError | None:
        """Show pairs together and hand their rows on; an error, not raised, where there is no memory for the former.

        What is returned holds on to no tensors, as an error that was caught would.
        """
        passes = self._passes
        where = f"pair number {numbers[0] + 1}: out of memory" if numbers else ""
        ready: dict[int, PreparedPair] = {}
        contents: dict[int, str] = {}
        first: NamedPair | None = None
        try:
            for number in numbers:
                try:
                    pair = passes.open(number)
                    size = pair.size(passes.settings.max_text_tokens)
                    where = f"pair {pair.name}: out of memory with {size}"
                    ready[number] = self._prepared(pair)
                    contents[number] = passes.contents.get(number) or content_id(pair)
                    first = first or pair
                except MIRDataError as error:
                    passes.skip(number, error)
            together = prefill(
                passes.adapter, list(ready.values()), not self.checked, wanted=self.takers.keys()
            )
        except Exception as error:
            if not out_of_memory(error):
                raise
            if len(numbers) > 1:
                return MIRModelError(
                    f"Out of memory with {len(numbers)} pairs in a forward pass: {reason(error)}"
                )
            return MIRModelError(
                f"{where}; lower max_text_tokens, scale the image down, or take more devices: {reason(error)}"
            )
        if first is not None and ready and not passes.ids:
            with naming(f"pair {first.name}"):
                check_sight(passes.adapter, first.rgb, first.text, passes.settings.max_text_tokens)
        self.checked = self.checked or bool(ready)
        for (number, prepared), rows in zip(ready.items(), together, strict=True):
            passes.ids[number], passes.contents[number] = prepared.name, contents[number]
            self._hand_on(number, rows)
        return None

    def _prepared(self, pair: NamedPair) -> PreparedPair:
        settings = self._passes.settings
        with naming(f"pair {pair.name}"):
            try:
                inputs = self._passes.adapter.prepare(pair.rgb, pair.text, settings.max_text_tokens)
            except Exception as error:  # processors and tokenizers raise many unrelated classes
                if isinstance(error, MIRError) or out_of_memory(error):
                    raise
                raise MIRDataError(
                    f"the model's processor cannot prepare it: {type(error).__name__}: {reason(error)}"
                ) from error
        return PreparedPair(pair.name, inputs)

    def _hand_on(self, number: int, rows: PairRows) -> None:
        keys = [
            random_keys(len(next(iter(modality.values()))), number, kind)
            for kind, modality in enumerate((rows.vision, rows.text))
        ]
        group = self._passes.group(number)
        for index, (layer, takers) in enumerate(list(self.takers.items())):
            own = rows.vision.pop(layer), rows.text.pop(layer)
            try:
                for taker, own_rows, own_keys in zip(takers, own, keys, strict=True):
                    if taker is not None:
                        taker.update(own_rows, group, own_keys)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                failure = MIRModelError(
                    f"pair {self._passes.ids[number]}: out of memory for the statistics of layer {layer}: {error}; set "
                    "max_memory lower, or take more devices"
                )
                if self._release is None or index == 0:
                    raise failure from error
                # What this layer has taken in of the pair is not known, so it starts again in another pass.
                self._drop(min(index, (len(self.takers) + 1) // 2), failure, self._release)
                return

    def _drop(self, keep: int, failure: MIRError, release: Callable[[int], None]) -> None:
        """Go on without all layers but the first few."""
        dropped = list(self.takers)[keep:]
        logger.warning(f"{failure}. {len(dropped)} of {len(self.takers)} layers are left for another pass")
        for layer in dropped:
            del self.takers[layer]
            release(layer)
