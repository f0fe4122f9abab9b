"""Reads the output of every decoder layer during one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from mir_task.adapters.decoder import Decoder, layer_input
from mir_task.errors import MIRError, MIRModelError


class PrefillDone(BaseException):
    """Ends a forward pass at the decoder's final norm.

    No ``Exception``, since the code that it has to get through (a model's own ``chat``, an lmms-eval class)
    may catch and log those.
    """


class LayerRows:
    """Rows of one forward pass at each layer: ``vision[k]`` [r, d] and ``text[k]`` [s, d], k = 1..K.

    Args:
        find_positions: gives two [sequence] bool masks, vision and text; of a batch, [batch * sequence]. Called once,
            when the first layer has run: some families tell only then which rows are which.
        wanted: the layers whose rows are kept; default: all.
    """

    def __init__(
        self, find_positions: Callable[[], tuple[Tensor, Tensor]], wanted: Collection[int] | None = None
    ) -> None:
        self._find_positions = find_positions
        self._wanted = wanted
        self._positions: tuple[Tensor, Tensor] | None = None
        self._length = 0
        self.ran: set[int] = set()
        """Layers that have run, wanted or not."""
        self.vision: dict[int, Tensor] = {}
        self.text: dict[int, Tensor] = {}

    def add(self, layer: int, hidden: Tensor) -> None:
        """Select (and so copy) the rows of layer k from its hidden states [batch, sequence, d]."""
        if layer in self.ran:
            raise MIRModelError(f"decoder layer {layer} ran twice in one forward pass")
        self.ran.add(layer)
        if self._positions is None:
            vision, text = self._find_positions()
            self._length = len(vision)
            self._positions = vision.nonzero().squeeze(1), text.nonzero().squeeze(1)
        rows = hidden.detach().reshape(-1, hidden.shape[-1])
        if len(rows) != self._length:
            raise MIRModelError(
                f"decoder layer {layer} has hidden states of shape {list(hidden.shape)} where "
                f"{self._length} positions were expected"
            )
        if self._wanted is not None and layer not in self._wanted:
            return
        # Indexing on the layer's own device: with a device map layers live on several.
        self.vision[layer], self.text[layer] = (rows[index.to(rows.device)] for index in self._positions)


@contextmanager
def capture_layers(
    decoder: Decoder,
    find_positions: Callable[[], tuple[Tensor, Tensor]],
    stop: bool = False,
    wanted: Collection[int] | None = None,
) -> Iterator[LayerRows]:
    """Collect the rows of a forward pass inside the ``with`` block; hooks are removed even if it raises.

    Layer k's output is taken as layer k + 1's input and the last layer's after the final norm, which unlike
    ``output_hidden_states`` means the same in every version of transformers.

    Args:
        decoder: the parts of the model.
        find_positions: see :class:`LayerRows`.
        stop: end the pass (and so the block) when the final norm has run, for passes that are part of
            something longer.
        wanted: see :class:`LayerRows`.

    Raises:
        MIRModelError: at the end of the block, if not every layer was seen once.
    """
    rows = LayerRows(find_positions, wanted)
    total = len(decoder.layers)
    problems: list[MIRError] = []

    def add(layer: int, hidden: Tensor) -> None:
        if stop and (problems or total in rows.ran):
            return  # the pass of interest is over
        try:
            rows.add(layer, hidden)
        except MIRError as error:
            # Kept, should whoever called the model catch it.
            problems.append(error)
            raise PrefillDone from error

    def input_of(layer: int) -> Any:
        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            add(layer - 1, layer_input(args, kwargs))

        return hook

    def final(_module: nn.Module, _args: Any, output: Tensor) -> None:
        add(total, output)
        if stop:
            raise PrefillDone

    handles = [
        module.register_forward_pre_hook(input_of(number), with_kwargs=True)
        for number, module in enumerate(decoder.layers, start=1)
        if number > 1
    ]
    handles.append(decoder.norm.register_forward_hook(final))
    try:
        yield rows
    except PrefillDone:
        pass
    except Exception:
        if not problems and not (stop and total in rows.ran):
            raise
    finally:
        for handle in handles:
            handle.remove()
    if problems:
        raise problems[0]
    missing = sorted(set(range(1, total + 1)) - rows.ran)
    if missing:
        raise MIRModelError(f"decoder layers {missing} of {total} did not run in the forward pass")
