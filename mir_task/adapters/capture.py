"""Reads the output of every decoder layer during one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mir_task.adapters.decoder import Decoder, layer_input
from mir_task.errors import MIRError, MIRModelError


class PrefillDone(BaseException):
    """Ends a forward pass at the decoder's final norm.

    It is no ``Exception``, since the code that it has to get through (a model's own ``chat``, an lmms-eval class)
    may catch and log those.
    """


class LayerRows:
    """Rows of one forward pass at each layer: ``vision[k]`` [r, d] and ``text[k]`` [s, d], k = 1..K.

    Args:
        find_positions: returns the vision and the text mask, [sequence] bool; for a batch, [batch * sequence]. Called
            once, when the first layer has run, since some families tell only then which rows are which.
        wanted: layers whose rows are kept; default: all.
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
        """Select (and so copy) the rows of layer k from its hidden states [batch, sequence, d].

        Raises:
            MIRModelError: the layer ran before, or has another number of positions than the masks.
        """
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
        # Indexed on the layer's own device, since a device map spreads layers over several.
        self.vision[layer], self.text[layer] = (rows[index.to(rows.device)] for index in self._positions)


@contextmanager
def capture_layers(
    decoder: Decoder,
    find_positions: Callable[[], tuple[Tensor, Tensor]],
    stop: bool = False,
    wanted: Collection[int] | None = None,
    complete: bool = False,
) -> Iterator[LayerRows]:
    """Collect the rows of a forward pass inside the ``with`` block; hooks are removed even if it raises.

    Layer k's output is taken as layer k + 1's input and the last layer's after the final norm, which unlike
    ``output_hidden_states`` means the same in every version of transformers.

    Args:
        decoder: the model's decoder.
        find_positions: see :class:`LayerRows`.
        stop: end the pass (and so the block) when the final norm has run, for passes that are part of
            something longer.
        wanted: see :class:`LayerRows`.
        complete: let the pass go on to its end after an error, for weights that other processes wait to be given.

    Raises:
        MIRModelError: at the end of the block, if not every layer was seen once.
    """
    rows = LayerRows(find_positions, wanted)
    hooks = _Hooks(decoder, rows, stop, complete)
    handles = hooks.register()
    try:
        yield rows
    except PrefillDone:
        pass
    except Exception:
        # After the pass of interest, errors of what it is part of are of no concern.
        if not hooks.failure and not (stop and hooks.pass_is_over):
            raise
    finally:
        for handle in handles:
            handle.remove()
    if hooks.failure:
        raise hooks.failure
    missing = sorted(set(range(1, len(decoder.layers) + 1)) - rows.ran)
    if missing:
        raise MIRModelError(
            f"decoder layers {missing} of {len(decoder.layers)} did not run in the forward pass"
        )


class _Hooks:
    """Hooks on the decoder that hand each layer's hidden states to :class:`LayerRows`."""

    def __init__(self, decoder: Decoder, rows: LayerRows, stop: bool, complete: bool) -> None:
        self._decoder = decoder
        self._rows = rows
        self._stop = stop
        self._complete = complete
        self.failure: MIRError | None = None
        """The first error, kept should whoever called the model catch it."""

    @property
    def pass_is_over(self) -> bool:
        """Whether the final norm has run."""
        return len(self._decoder.layers) in self._rows.ran

    def register(self) -> list[RemovableHandle]:
        """Put the hooks on the decoder and return their handles."""
        handles = [
            module.register_forward_pre_hook(self._before(number), with_kwargs=True)
            for number, module in enumerate(self._decoder.layers, start=1)
            if number > 1
        ]
        return [*handles, self._decoder.norm.register_forward_hook(self._after_norm)]

    def _before(self, layer: int) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._add(layer - 1, layer_input(args, kwargs))

        return hook

    def _after_norm(self, _module: nn.Module, _args: Any, output: Tensor) -> None:
        self._add(len(self._decoder.layers), output)
        if self._stop:
            raise PrefillDone

    def _add(self, layer: int, hidden: Tensor) -> None:
        if (self.failure and self._complete) or (self._stop and (self.failure or self.pass_is_over)):
            return
        try:
            self._rows.add(layer, hidden)
        except MIRError as error:
            self.failure = self.failure or error
            if not self._complete:
                raise PrefillDone from error
