"""Whether the picture reaches the model: two different pictures must not enter the decoder as the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mir_task.adapters.base import Adapter, Inputs
from mir_task.adapters.capture import PrefillDone
from mir_task.adapters.decoder import Decoder
from mir_task.adapters.provenance import record_provenance
from mir_task.errors import MIRModelError

HALF_RANGE = 128
NOISE_MARGIN = 10
"""How many times the difference between two runs of one picture a difference between two pictures must exceed."""


def check_sight(adapter: Adapter, image: Image.Image, text: str, max_text_tokens: int) -> None:
    """Refuse a model that does not see the picture.

    Shows the picture, another one of the same size, and the first one again, each as far as the decoder's entry. A
    dead tower, a connector of zeros or a class that puts black frames in the picture's place enters the same rows each
    time. The two runs of one picture tell how much the device's round-off alone changes.

    Args:
        adapter: the model's adapter.
        image: an RGB image.
        text: a text that goes with it.
        max_text_tokens: as for :meth:`Adapter.prepare`.

    Raises:
        MIRModelError: both pictures enter as the same rows; says what the model was handed.
    """
    inputs: list[Inputs] = []
    rows: list[Tensor] = []
    for picture in (image, other_picture(image), image):
        # Prepared one after the other: some families hand the picture over as a file of one name.
        inputs.append(adapter.prepare(picture, text, max_text_tokens))
        rows.append(_entering_rows(adapter, inputs[-1]))
    first, other, again = rows
    if len(first) == len(other) and _difference(first, other) <= NOISE_MARGIN * _difference(first, again):
        raise MIRModelError(
            f"{type(adapter.model).__name__}: the picture does not reach the model: two different pictures of "
            f"{image.width} x {image.height} pixels enter the decoder as the same {len(first)} rows. The "
            f"model was handed {_handed(inputs[0], inputs[1])}"
        )


def other_picture(image: Image.Image) -> Image.Image:
    """A picture of the same size, each of whose values differs by half of the range."""
    return image.point(lambda value: (value + HALF_RANGE) % (2 * HALF_RANGE))


def _difference(a: Tensor, b: Tensor) -> float:
    """Largest difference of two runs' rows [n, d]; infinite where one run had more rows."""
    return float((a.double() - b.double()).abs().max()) if a.shape == b.shape else float("inf")


def _entering_rows(adapter: Adapter, inputs: Inputs) -> Tensor:
    """Rows [n, d] that enter the decoder, on the CPU; the forward pass ends there, but one over sharded weights."""
    # An exception that the model's own code catches would not end it; others let hooks that are always called clean up.
    end = PrefillDone if adapter.stop_after_prefill else _Entered
    ended = nullcontext() if adapter.sharding else _ended_at_entry(adapter.decoder, end)
    with record_provenance(adapter.decoder) as provenance, ended:
        adapter.prefill(inputs)
    if provenance.entered is None:
        raise MIRModelError(
            f"{type(adapter.model).__name__}: the forward pass never reached the decoder layers"
        )
    return provenance.entered.reshape(-1, provenance.entered.shape[-1]).cpu()


class _Entered(Exception):  # noqa: N818 - no error
    """Ends a forward pass at the decoder's entry."""


@contextmanager
def _ended_at_entry(decoder: Decoder, end: type[BaseException]) -> Iterator[None]:
    """End the forward pass inside the block, by this exception, when the first decoder layer is about to run."""
    reached = False

    def entered(_module: Any, _args: Any) -> None:
        nonlocal reached
        reached = True
        raise end

    handle = decoder.layers[0].register_forward_pre_hook(entered)
    try:
        yield
    except PrefillDone:
        pass
    except Exception:
        if not reached:  # errors that follow from ending early are of no concern
            raise
    finally:
        handle.remove()


def _handed(first: Inputs, other: Inputs) -> str:
    """What the model was given of each kind, and whether it told the pictures apart."""
    said = []
    for name, value in first.items():
        if isinstance(value, Tensor):
            same = torch.equal(value, other[name]) if value.shape == other[name].shape else False
            told = "the same for both" if same else "different for them"
            said.append(f"{name} {list(value.shape)} {str(value.dtype).removeprefix('torch.')} ({told})")
        elif isinstance(value, Image.Image):
            said.append(f"{name} (the pictures themselves, {value.mode})")
        else:
            said.append(f"{name} ({type(value).__name__})")
    return ", ".join(said) or "nothing"
