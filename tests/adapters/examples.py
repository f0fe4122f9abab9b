"""Pairs that the tests of all families are shown, and how their rows are read."""

from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from mir_task import Pair
from mir_task.adapters import adapter_for
from mir_task.adapters.capture import LayerRows, capture_layers
from mir_task.adapters.positions import find_positions
from mir_task.adapters.provenance import record_provenance

SQUARE = Image.effect_mandelbrot((60, 60), (-3, -2.5, 2, 2.5), 9).convert("RGB")
WIDE = Image.linear_gradient("L").resize((200, 100)).convert("RGB")
IMAGES = [SQUARE, WIDE]
TEXTS = ["A ferry left at noon.", "Nobody had told the goat, who was patient, that it would be a long way."]
PAIRS = [
    Pair(SQUARE, TEXTS[0], "pair 0"),
    Pair(WIDE, TEXTS[1], "pair 1"),
    Pair(SQUARE.rotate(180), TEXTS[0], "pair 2"),
    Pair(WIDE.rotate(180), TEXTS[1], "pair 3"),
]


class Reading(NamedTuple):
    """Rows of a pair at every layer, and the positions that they are from."""

    rows: LayerRows
    vision: Tensor
    text: Tensor


def prepared(adapter, index=0):
    """A pair's inputs: the square image with the short text, or the wide one with the longer."""
    return adapter.prepare(IMAGES[index], TEXTS[index], 1000)


def read(adapter, inputs):
    """Run one prefill and read it as a measurement does, placeholder and provenance compared."""
    masks = []

    def positions():
        masks.extend(find_positions(adapter, inputs, adapter.vision_mask(inputs), provenance))
        return masks

    with (
        torch.inference_mode(),
        record_provenance(adapter.decoder) as provenance,
        capture_layers(adapter.decoder, positions, stop=adapter.stop_after_prefill) as rows,
    ):
        adapter.prefill(inputs)
    return Reading(rows, *masks)


def masks(model, processor, index=0):
    """Vision and text positions of one of two pairs."""
    adapter = adapter_for(model, processor)
    rows, vision, text = read(adapter, prepared(adapter, index))
    assert len(rows.vision) == 4
    return vision, text


def positions(mask):
    return mask.nonzero().flatten().tolist()
