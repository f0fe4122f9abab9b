"""Passes over the pairs of one process: each pair through the model once, its rows to whatever takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Literal

import torch
from loguru import logger
from tqdm import tqdm

from mir_task.adapters import Adapter
from mir_task.adapters.positions import find_positions
from mir_task.adapters.provenance import record_provenance
from mir_task.capture import LayerRows, capture_layers, first_non_finite
from mir_task.errors import MIRDataError, MIRError, MIRModelError
from mir_task.pair import Pair, named
from mir_task.ranks import Ranks
from mir_task.statistics import random_keys

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
        on_error: ``skip`` leaves out a pair that cannot be read or does not fit into memory.
        progress: show a bar, in the first process.

    Attributes:
        ids: of the pairs measured so far, by number.
        skipped: why pairs were left out, by number.
    """

    def __init__(
        self,
        adapter: Adapter,
        pairs: Sequence[Any],
        ranks: Ranks,
        groups: int,
        max_text_tokens: int,
        on_error: OnError,
        progress: bool,
    ) -> None:
        self._adapter, self._pairs, self.groups = adapter, pairs, groups
        self.max_text_tokens, self._on_error = max_text_tokens, on_error
        self._progress = progress and ranks.rank == 0
        self.share = ranks.share(len(pairs))
        self.ids: dict[int, str] = {}
        self.skipped: dict[int, str] = {}
        self._checked = False

    @property
    def own_groups(self) -> int:
        """How many groups this process sees pairs of."""
        return len({self._group(number) for number in self.share})

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
            after: called after each pair with the number of those seen.
            halve: when memory runs out, take layers off the end of ``sinks``, to be measured in another pass.

        Raises:
            MIRError: naming the pair.
        """
        bar = tqdm(
            range(start, len(self.share)),
            desc=description,
            unit="pair",
            initial=start,
            total=len(self.share),
            disable=not self._progress,
        )
        self._checked = False
        for position in bar:
            number = self.share[position]
            if number not in self.skipped:
                self._show(number, sinks, halve)
            after(position + 1)

    def name(self, number: int) -> str:
        """The name of a pair that was measured before."""
        return named(self._pairs[number], number)[1]

    def _group(self, number: int) -> int:
        # Groups of neighbours, so that rows that are added together mostly are of one group.
        return number * self.groups // len(self._pairs)

    def _show(self, number: int, sinks: Sinks, halve: bool) -> None:
        """Show a pair and hand its rows on, or skip it."""
        while True:
            try:
                name, rows = self._rows_of(number, sinks)
                break
            except _OutOfMemoryError as error:
                failure: MIRError = error
            except MIRDataError as error:
                failure = error
            # Out of the except block, so that no traceback holds on to tensors.
            if isinstance(failure, _OutOfMemoryError):
                torch.cuda.empty_cache()
                if halve and len(sinks) > 1:
                    _drop(sinks, (len(sinks) + 1) // 2, failure)
                    continue
            if self._on_error != "skip" or number in self.ids:
                raise MIRModelError(str(failure)) if isinstance(failure, _OutOfMemoryError) else failure
            logger.warning(f"Skipped: {failure}")
            self.skipped[number] = str(failure)
            return
        self._checked = True
        self.ids[number] = name
        self._hand_on(number, rows, sinks, halve)

    def _hand_on(self, number: int, rows: LayerRows, sinks: Sinks, halve: bool) -> None:
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

    def _rows_of(self, number: int, sinks: Sinks) -> tuple[str, LayerRows]:
        """The rows of one pair at every layer wanted; errors name the pair."""
        try:
            given = self._pairs[number]
        except MIRError as error:
            text = str(error)
            raise type(error)(
                text if text.startswith("pair ") else f"pair number {number + 1}: {text}"
            ) from error
        pair, name = named(given, number)
        adapter = self._adapter
        try:
            inputs = adapter.prepare(pair.image.convert("RGB"), pair.text, self.max_text_tokens)
            by_id = adapter.vision_mask(inputs)
            # The first pair tells whether the family's placeholder means what we take it to mean.
            by_provenance = (
                record_provenance(adapter.decoder) if by_id is None or not self._checked else nullcontext()
            )
            with (
                by_provenance as provenance,
                capture_layers(
                    adapter.decoder,
                    lambda: find_positions(adapter, inputs, by_id, provenance),
                    stop=adapter.stop_after_prefill,
                    wanted=sinks.keys(),
                ) as rows,
            ):
                adapter.prefill(inputs)
        except MIRError as error:
            raise type(error)(f"pair {name}: {error}") from error
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise _OutOfMemoryError(_too_large(pair, name, self.max_text_tokens, error)) from None
        layer = first_non_finite(rows)
        if layer is not None:
            raise MIRModelError(
                f"pair {name}: NaN or Inf in the hidden states of layer {layer} of {len(adapter.decoder.layers)} "
                f"({adapter.model.dtype}); load the model in bfloat16 or float32"
            )
        return name, rows


class _OutOfMemoryError(MIRModelError):
    """Memory ran out in a pair."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the host, has no memory left."""
    # torch has no class of its own for the host's allocator.
    return isinstance(error, torch.cuda.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def _drop(sinks: Sinks, keep: int, failure: MIRError) -> None:
    """Take all layers but the first few out, and with them their statistics."""
    logger.warning(f"{failure}. {len(sinks) - keep} of {len(sinks)} layers are left for another pass")
    for layer in list(sinks)[keep:]:
        del sinks[layer]


def _too_large(pair: Pair, name: str, max_text_tokens: int, error: BaseException) -> str:
    width, height = pair.image.size
    return (
        f"pair {name}: out of memory with an image of {width} x {height} pixels and a text of {len(pair.text)} "
        f"characters (cut to {max_text_tokens} tokens); lower max_text_tokens, scale the image down, or take more "
        f"devices: {(str(error) or repr(error)).partition(chr(10))[0]}"
    )
