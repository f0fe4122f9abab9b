"""Reads the output of every decoder layer during one forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mir_task.adapters.decoder import Decoder
from mir_task.errors import MIRModelError


class LayerRows:
    """Rows of one sequence at each layer: ``vision[k]`` [r, d] and ``text[k]`` [s, d], k = 1..K."""

    def __init__(self, vision: Tensor, text: Tensor) -> None:
        self._vision_positions = vision.nonzero().squeeze(1)
        self._text_positions = text.nonzero().squeeze(1)
        self.vision: dict[int, Tensor] = {}
        self.text: dict[int, Tensor] = {}

    def add(self, layer: int, hidden: Tensor) -> None:
        """Select (and so copy) the rows of layer k from its hidden states [1, sequence, d]."""
        if layer in self.vision:
            raise MIRModelError(f"decoder layer {layer} ran twice in one forward pass")
        # Indexing on the layer's own device: with a device map layers live on several.
        rows = hidden.detach()[0]
        self.vision[layer] = rows[self._vision_positions.to(rows.device)]
        self.text[layer] = rows[self._text_positions.to(rows.device)]


@contextmanager
def capture_layers(decoder: Decoder, vision: Tensor, text: Tensor) -> Iterator[LayerRows]:
    """Collect the rows of a forward pass inside the ``with`` block; hooks are removed even if it raises.

    Layer k's output is taken as layer k + 1's input and the last layer's after the final norm, which unlike
    ``output_hidden_states`` means the same in every version of transformers.

    Args:
        decoder: the parts of the model.
        vision: [sequence] bool mask of the vision positions.
        text: [sequence] bool mask of the text positions.

    Raises:
        MIRModelError: at the end of the block, if not every layer was seen once.
    """
    rows = LayerRows(vision, text)
    total = len(decoder.layers)

    def input_of(layer: int) -> Any:
        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            rows.add(layer - 1, args[0] if args else kwargs["hidden_states"])

        return hook

    def final(_module: nn.Module, _args: Any, output: Tensor) -> None:
        rows.add(total, output)

    handles = [
        module.register_forward_pre_hook(input_of(number), with_kwargs=True)
        for number, module in enumerate(decoder.layers, start=1)
        if number > 1
    ]
    handles.append(decoder.norm.register_forward_hook(final))
    try:
        yield rows
    finally:
        for handle in handles:
            handle.remove()
    missing = sorted(set(range(1, total + 1)) - set(rows.vision))
    if missing:
        raise MIRModelError(f"decoder layers {missing} of {total} did not run in the forward pass")


def first_non_finite(rows: LayerRows) -> int | None:
    """The lowest layer with NaN or Inf in its rows, or None."""
    for layer in sorted(rows.vision):
        if not (torch.isfinite(rows.vision[layer]).all() and torch.isfinite(rows.text[layer]).all()):
            return layer
    return None
