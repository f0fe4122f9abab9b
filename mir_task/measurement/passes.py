"""Passes over the pairs of one process: each pair through the model once, its rows to whatever takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from loguru import logger
from tqdm import tqdm

from mir_task.accumulate.reservoir import random_keys
from mir_task.adapters import Adapter
from mir_task.adapters.prefill import PairRows, PreparedPair, prefill
from mir_task.errors import MIRDataError, MIRError, MIRModelError
from mir_task.measurement.out_of_memory import out_of_memory, reason
from mir_task.measurement.ranks import Ranks
from mir_task.pair import Pair, opened

OnError = Literal["raise", "skip"]

Sinks = dict[int, Any]
"""By a layer's number, what takes its vision rows and what takes its text rows: each with
``update(rows, group, keys)``, or None."""


class Passes:
    """This process's share of the pairs, to be shown to the model as often as needed.

    Args:
        adapter: of the model.
        pairs: of all processes, the same everywhere; only the share's are opened.
        ranks: the processes.
        groups: into how many groups of neighbours all the pairs are divided.
        max_text_tokens: texts are cut to this many tokens.
        batch_size: how many pairs are shown together.
        on_error: ``skip`` leaves out a pair that cannot be read or does not fit into memory.
        progress: show a bar, in the first process.

    Attributes:
        ids: of the pairs measured so far, by number.
        skipped: why pairs were left out, by number.
        batch_size: as given, or what there turned out to be memory for.
    """

    def __init__(
        self,
        adapter: Adapter,
        pairs: Sequence[Any],
        ranks: Ranks,
        groups: int,
        max_text_tokens: int,
        batch_size: int,
        on_error: OnError,
        progress: bool,
    ) -> None:
        self._adapter, self._pairs, self.groups = adapter, pairs, groups
        self.max_text_tokens, self.batch_size, self._on_error = max_text_tokens, batch_size, on_error
        self._progress = progress and ranks.rank == 0
        self.share = ranks.share(len(pairs))
        self.ids: dict[int, str] = {}
        self.skipped: dict[int, str] = {}
        self._checked = False

    @property
    def own_groups(self) -> set[int]:
        """The groups that this process sees pairs of."""
        return {self._group(number) for number in self.share}

    def run(
        self,
        description: str,
        sinks: Sinks,
        start: int = 0,
        after: Callable[[int], None] = lambda _: None,
        halve: bool = False,
    ) -> None:
        """One pass.

        Args:
            description: for the progress bar.
            sinks: of the layers wanted.
            start: how many pairs of the share have been seen in this pass already.
            after: called with the number of pairs seen, whenever all of these have been handed on.
            halve: when memory runs out, take layers off the end of ``sinks``, to be measured in another pass.

        Raises:
            MIRError: naming the pair.
        """
        # The first pair, alone, tells whether the family's placeholder means what we take it to mean. Which pairs are
        # shown together must not depend on where a pass was cut short.
        self._checked = any(number not in self.skipped for number in self.share[:start])
        seen = start
        with tqdm(
            desc=description, unit="pair", initial=start, total=len(self.share), disable=not self._progress
        ) as bar:
            while seen < len(self.share):
                numbers = self.share[seen : seen + (self.batch_size if self._checked else 1)]
                self._show([number for number in numbers if number not in self.skipped], sinks, halve)
                seen += len(numbers)
                bar.update(len(numbers))
                after(seen)

    def name(self, number: int) -> str:
        """The name of a pair that was measured before."""
        return opened(self._pairs, number)[1]

    def _group(self, number: int) -> int:
        # Groups of neighbours, so that rows that are added together mostly are of one group.
        return number * self.groups // len(self._pairs)

    def _show(self, numbers: Sequence[int], sinks: Sinks, halve: bool) -> None:
        """Show pairs to the model together and hand their rows on; with too little memory fewer, or fewer layers."""
        failure = self._attempt(numbers, sinks, halve)
        if failure is None:
            return
        torch.cuda.empty_cache()
        if len(numbers) > 1:
            self.batch_size = (len(numbers) + 1) // 2
            logger.warning(f"{failure}. From here on at most {self.batch_size} together")
            while numbers:
                together, numbers = numbers[: self.batch_size], numbers[self.batch_size :]
                self._show(together, sinks, halve)
        elif halve and len(sinks) > 1:
            _drop(sinks, (len(sinks) + 1) // 2, failure)
            self._show(numbers, sinks, halve)
        else:
            self._skip(numbers[0], failure)

    def _attempt(self, numbers: Sequence[int], sinks: Sinks, halve: bool) -> MIRModelError | None:
        """Show pairs together and hand their rows on; says so where there is no memory for the former.

        What is returned holds on to no tensors, as an error that was caught would.
        """
        size = f"pair number {numbers[0] + 1}: out of memory" if numbers else ""
        ready: dict[int, PreparedPair] = {}
        try:
            for number in numbers:
                try:
                    pair, name = opened(self._pairs, number)
                    size = self._size(pair, name)
                    ready[number] = self._prepared(pair, name)
                except MIRDataError as error:
                    self._skip(number, error)
            together = prefill(self._adapter, list(ready.values()), not self._checked, sinks.keys())
        except Exception as error:
            if not out_of_memory(error):
                raise
            if len(numbers) > 1:
                size = f"Out of memory with {len(numbers)} pairs in a forward pass"
                return MIRModelError(f"{size}: {reason(error)}")
            return MIRModelError(
                f"{size}; lower max_text_tokens, scale the image down, or take more devices: {reason(error)}"
            )
        self._checked = self._checked or bool(ready)
        for (number, prepared), rows in zip(ready.items(), together, strict=True):
            self.ids[number] = prepared.name
            self._hand_on(number, rows, sinks, halve)
        return None

    def _skip(self, number: int, failure: MIRError) -> None:
        """Leave a pair out if that was asked for, and it was not measured in an earlier pass."""
        if self._on_error != "skip" or number in self.ids:
            raise failure
        logger.warning(f"Skipped: {failure}")
        self.skipped[number] = str(failure)

    def _size(self, pair: Pair, name: str) -> str:
        width, height = pair.image.size
        return (
            f"pair {name}: out of memory with an image of {width} x {height} pixels and a text of {len(pair.text)} "
            f"characters (cut to {self.max_text_tokens} tokens)"
        )

    def _prepared(self, pair: Pair, name: str) -> PreparedPair:
        try:
            image = pair.image.convert("RGB")
            return PreparedPair(name, self._adapter.prepare(image, pair.text, self.max_text_tokens))
        except MIRError as error:
            raise type(error)(f"pair {name}: {error}") from error

    def _hand_on(self, number: int, rows: PairRows, sinks: Sinks, halve: bool) -> None:
        keys = [
            random_keys(len(next(iter(modality.values()))), number, kind)
            for kind, modality in enumerate((rows.vision, rows.text))
        ]
        for index, (layer, takers) in enumerate(list(sinks.items())):
            try:
                for sink, own_rows, own_keys in zip(
                    takers, (rows.vision.pop(layer), rows.text.pop(layer)), keys, strict=True
                ):
                    if sink is not None:
                        sink.update(own_rows, self._group(number), own_keys)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                failure = MIRModelError(
                    f"pair {self.ids[number]}: out of memory for the statistics of layer {layer}: {error}; set "
                    "max_memory lower, or take more devices"
                )
                if not halve or index == 0:
                    raise failure from error
                # What this layer has taken in of the pair is not known, so it starts again in another pass.
                _drop(sinks, min(index, (len(sinks) + 1) // 2), failure)
                return


def _drop(sinks: Sinks, keep: int, failure: MIRError) -> None:
    """Take all layers but the first few out, and with them their statistics."""
    logger.warning(f"{failure}. {len(sinks) - keep} of {len(sinks)} layers are left for another pass")
    for layer in list(sinks)[keep:]:
        del sinks[layer]
