"""Tells vision from text positions by where their input embeddings come from."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from mir_task.adapters.decoder import Decoder, layer_input
from mir_task.errors import MIRModelError

SAME_DIRECTION = 1 - 1e-3
"""Cosine from which rows have the same direction.

Rows scaled outside the token embedding differ from what it emitted by round-off (bfloat16: 1 - 1e-5). Image features
come nowhere near any token's direction.
"""


class Provenance:
    """Record of what the token embedding emitted and of what then entered the decoder stack."""

    def __init__(self) -> None:
        self.emitted: list[Tensor] = []
        self._outputs: list[Tensor] = []
        self.entered: Tensor | None = None
        self.attention_mask: Tensor | None = None

    def vision_mask(self) -> Tensor:
        """Find the positions of the single sequence whose embedding is no row that the token embedding emitted.

        Rows are matched by content, not by position, since models that splice image features in change the
        length. Where no row matches, all of them were changed on their way. If positions were added (Kosmos-2),
        the overwritten rows of the embedding's output are taken. If rows were scaled (MiniCPM-V 2.0: by 12),
        they are matched by direction. Padding of zeros counts as vision here; see :meth:`attended`.

        Returns:
            [sequence] bool, on the CPU.

        Raises:
            MIRModelError: the stack was not reached, or received more than one sequence.
        """
        rows = self._rows()
        token_rows = {row for batch in self.emitted for row in _row_bytes(batch)}
        mask = torch.tensor([row not in token_rows for row in _row_bytes(rows)])
        attended = self.attended()
        if not (mask if attended is None else mask[attended]).all() or not token_rows:
            return mask
        if len(self.emitted) == 1 and len(self.emitted[0]) == len(rows):
            overwritten = (self.emitted[0] != self._outputs[0]).any(dim=1).cpu()
            if overwritten.any() and not overwritten.all():
                return overwritten
        return ~_same_direction(rows, torch.cat(self.emitted))

    def emit(self, output: Tensor) -> None:
        """Record an output of the token embedding, [..., d]."""
        rows = output.detach().reshape(-1, output.shape[-1])
        # Cloned, since some families write the image features into this very tensor afterwards.
        self.emitted.append(rows.clone())
        self._outputs.append(rows)

    def attended(self) -> Tensor | None:
        """Read the positions that the stack's attention mask keeps.

        Returns:
            [sequence] bool, on the CPU; None where the stack got no such mask, or one of another shape (4-D, one
            for each kind of layer).
        """
        mask = self.attention_mask
        if mask is None or mask.dim() != 2 or mask.numel() != len(self._rows()):
            return None
        return mask.flatten().bool().cpu()

    def _rows(self) -> Tensor:
        if self.entered is None:
            raise MIRModelError("the forward pass never reached the decoder layers")
        # Usually [1, sequence, d], in some stacks [sequence, 1, d].
        if self.entered.dim() == 3 and 1 not in self.entered.shape[:2]:
            raise MIRModelError(f"expected one sequence, the decoder received {self.entered.shape[0]}")
        return self.entered.reshape(-1, self.entered.shape[-1])


@contextmanager
def record_provenance(decoder: Decoder) -> Iterator[Provenance]:
    """Record embeddings during one forward pass of the whole model, then remove the hooks again.

    Only what enters the stack *first* is recorded; later passes, such as those of generated tokens, are not.
    """
    record = Provenance()
    signature = inspect.signature(decoder.stack.forward)

    def emitted(_module: nn.Module, _args: Any, output: Tensor) -> None:
        if record.entered is None:
            record.emit(output)

    def entered(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if record.entered is None:
            arguments = signature.bind_partial(*args, **kwargs).arguments
            arguments |= arguments.get("kwargs", {})
            embeds, mask = arguments.get("inputs_embeds"), arguments.get("attention_mask")
            record.entered = embeds.detach().clone() if isinstance(embeds, Tensor) else None
            record.attention_mask = mask.detach() if isinstance(mask, Tensor) else None

    def entered_first_layer(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # Only for models that splice inside the stack. Embeddings that are handed to the stack are better: the
        # first layer's input may already have position embeddings or a scale in it.
        if record.entered is None:
            record.entered = layer_input(args, kwargs).detach().clone()

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


def check_provenance(vision: Tensor, attended: Tensor, model_name: str) -> None:
    """Refuse masks from which no MIR can be computed.

    Args:
        vision: [sequence] bool, from :meth:`Provenance.vision_mask`.
        attended: [sequence] bool, positions that are no padding.
        model_name: for the message.

    Raises:
        MIRModelError: there are no vision rows, so vision enters elsewhere; all of them are hidden as padding is; or
            there are no text rows.
    """
    hidden = vision & ~attended & _amid(attended)
    if not (vision & attended).any() and hidden.any():
        raise MIRModelError(
            f"{model_name}: no position that the attention mask shows holds the image; rows that are no token's enter "
            f"the decoder at {_runs(hidden)} of {len(hidden)}, among the text, and the mask hides them as it hides "
            "padding; the image's placeholder (in MiniCPM-V 2.6 the tokenizer's unknown token) may have the id that "
            "the model's code takes for padding; is the tokenizer this model's own?"
        )
    if not (vision & attended).any():
        raise MIRModelError(
            f"{model_name}: an image was given, but no vision rows enter the decoder among the text rows; vision "
            "enters by cross-attention, where MIR, a distance between hidden states of one sequence, is not defined"
        )
    if vision[attended].all():
        raise MIRModelError(f"{model_name}: no input row of the decoder comes from its token embedding")


def check_agreement(by_id: Tensor, by_provenance: Tensor, model_name: str) -> None:
    """Compare the two ways of finding vision positions.

    Args:
        by_id: [sequence] bool, from the family's image placeholder.
        by_provenance: [sequence] bool, from :meth:`Provenance.vision_mask`.
        model_name: for the message.

    Raises:
        MIRModelError: they differ; the message shows both as runs of positions.
    """
    if not torch.equal(by_id, by_provenance):
        raise MIRModelError(
            f"{model_name}: cannot tell which positions are vision: by placeholder id they are "
            f"{_runs(by_id)} of {len(by_id)}, by provenance {_runs(by_provenance)} of {len(by_provenance)}; "
            "please report this model"
        )


def _row_bytes(rows: Tensor) -> list[bytes]:
    return [row.tobytes() for row in rows.contiguous().view(torch.uint8).cpu().numpy()]


def _same_direction(rows: Tensor, emitted: Tensor) -> Tensor:
    """Find the rows [n, d] that point where some row of emitted [m, d] points: [n] bool, on the CPU."""
    directions = nn.functional.normalize(torch.unique(emitted, dim=0).float(), dim=-1).to(rows.device)
    cosines = nn.functional.normalize(rows.float(), dim=-1) @ directions.T
    return cosines.amax(dim=1).gt(SAME_DIRECTION).cpu()


def _amid(mask: Tensor) -> Tensor:
    """[n] bool: positions between the first and the last true one of a mask [n]; padding stands outside."""
    seen = mask.int()
    return seen.cumsum(0).bool() & seen.flip(0).cumsum(0).flip(0).bool()


def _runs(mask: Tensor) -> str:
    """True positions of a mask as inclusive ranges: '1-4, 7-7'."""
    groups = groupby(enumerate(mask.tolist()), key=lambda item: bool(item[1]))
    runs = [[index for index, _ in group] for is_vision, group in groups if is_vision]
    return ", ".join(f"{run[0]}-{run[-1]}" for run in runs) or "none"
