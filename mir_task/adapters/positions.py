"""Finds the vision and the text rows of the decoder's sequence."""

from __future__ import annotations

import torch
from torch import Tensor

from mir_task.adapters.base import Adapter, Inputs
from mir_task.adapters.provenance import Provenance, check_agreement, check_provenance
from mir_task.errors import MIRModelError


def find_positions(
    adapter: Adapter, inputs: Inputs, by_id: Tensor | None, provenance: Provenance | None
) -> tuple[Tensor, Tensor]:
    """Find the vision and text positions of one pair, once its embeddings have entered the decoder stack.

    Args:
        adapter: the model's adapter.
        inputs: what the adapter prepared.
        by_id: [sequence] bool, the adapter's own vision mask; None for a family that has none.
        provenance: where the sequence's rows come from; may be None where there is ``by_id``. Where both are
            given, they must agree.

    Returns:
        Vision and text mask, [sequence] bool, on the CPU.

    Raises:
        MIRModelError: the masks disagree, or there are no vision or no text rows.
    """
    name = type(adapter.model).__name__
    if provenance is None:
        if by_id is None:
            raise ValueError("neither ids nor provenance to find vision positions by")
        vision, text = adapter.split(inputs, by_id.cpu(), _attended(inputs, len(by_id)))
    else:
        found, attended = provenance.vision_mask(), provenance.attended()
        if attended is None:
            attended = _attended(inputs, len(found))
        check_provenance(found, attended, name)
        vision, text = adapter.split(inputs, found, attended)
        if by_id is not None:
            # After the split, so that positions which a family counts as neither are in neither mask.
            expected = by_id.cpu()
            if len(expected) == len(found):
                expected, _ = adapter.split(inputs, expected, attended)
            check_agreement(expected, vision, name)
    if not text.any():
        raise MIRModelError(
            f"{name}: no text follows the image in the decoder's sequence of {len(text)} positions"
        )
    return vision, text


def _attended(inputs: Inputs, length: int) -> Tensor:
    """[length] bool: positions that are no padding, as far as the inputs say."""
    mask = inputs.get("attention_mask")
    if mask is None or mask.numel() != length:
        return torch.ones(length, dtype=torch.bool)
    return mask.flatten().bool().cpu()  # type: ignore[no-any-return]
