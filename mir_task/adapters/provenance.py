"""Which positions are text, told from where their input embeddings come from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from mir_task.adapters.decoder import Decoder
from mir_task.errors import MIRModelError


class Provenance:
    """What the token embedding emitted, and what then entered the decoder stack."""

    def __init__(self) -> None:
        self.emitted: list[Tensor] = []
        self.entered: Tensor | None = None

    def vision_mask(self) -> Tensor:
        """Positions of the (single) sequence whose embedding is no row that the token embedding emitted.

        Rows are matched by content, not position, so that models that splice image features in and thereby
        change the length are read right too.

        Returns:
            [sequence] bool, on the CPU.

        Raises:
            MIRModelError: the stack was not reached, or received more than one sequence.
        """
        if self.entered is None:
            raise MIRModelError("the forward pass never reached the decoder layers")
        if self.entered.shape[0] != 1:
            raise MIRModelError(f"expected one sequence, the decoder received {self.entered.shape[0]}")
        token_rows = {row for batch in self.emitted for row in _row_bytes(batch)}
        return torch.tensor([row not in token_rows for row in _row_bytes(self.entered[0])])


@contextmanager
def record_provenance(decoder: Decoder) -> Iterator[Provenance]:
    """Record embeddings during one forward pass of the whole model, then remove the hooks again."""
    record = Provenance()

    def emitted(_module: nn.Module, _args: Any, output: Tensor) -> None:
        # Cloned, since some families write the image features into this very tensor afterwards.
        record.emitted.append(output.detach().reshape(-1, output.shape[-1]).clone())

    def entered(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        embeds = kwargs.get("inputs_embeds")
        if isinstance(embeds, Tensor):
            record.entered = embeds.detach().clone()

    def entered_first_layer(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # Only for models that splice inside the stack: where it is handed embeddings those are exact, while
        # the first layer's input may already have position embeddings or a scale in it.
        if record.entered is None:
            record.entered = (args[0] if args else kwargs["hidden_states"]).detach().clone()

    handles = [
        decoder.embedding.register_forward_hook(emitted),
        decoder.stack.register_forward_pre_hook(entered, with_kwargs=True),
        decoder.layers[0].register_forward_pre_hook(entered_first_layer, with_kwargs=True),
    ]
    try:
        yield record
    finally:
        for handle in handles:
            handle.remove()


def check_agreement(by_id: Tensor, by_provenance: Tensor, model_name: str) -> None:
    """Compare the two ways of finding vision positions.

    Args:
        by_id: [sequence] bool, from the family's image placeholder.
        by_provenance: [sequence] bool, from :meth:`Provenance.vision_mask`.
        model_name: for the message.

    Raises:
        MIRModelError: they differ; the message shows both as runs of positions. No vision rows by provenance
            although an image was given means that vision enters elsewhere.
    """
    if not by_provenance.any():
        raise MIRModelError(
            f"{model_name}: an image was given, but no vision rows enter the decoder among the text rows; vision "
            "enters by cross-attention, where MIR, a distance between hidden states of one sequence, is not defined"
        )
    if by_provenance.all():
        raise MIRModelError(f"{model_name}: no input row of the decoder comes from its token embedding")
    if not torch.equal(by_id.cpu(), by_provenance):
        raise MIRModelError(
            f"{model_name}: cannot tell which positions are vision: by placeholder id they are "
            f"{_runs(by_id)}, by provenance {_runs(by_provenance)}; please report this model"
        )


def _row_bytes(rows: Tensor) -> list[bytes]:
    return [row.tobytes() for row in rows.contiguous().view(torch.uint8).cpu().numpy()]


def _runs(mask: Tensor) -> str:
    """True positions of a mask as inclusive ranges: '1-4, 7-7'."""
    groups = groupby(enumerate(mask.tolist()), key=lambda item: bool(item[1]))
    runs = [[index for index, _ in group] for is_vision, group in groups if is_vision]
    return ", ".join(f"{run[0]}-{run[-1]}" for run in runs) or "none"
