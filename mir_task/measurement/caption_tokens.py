"""Finds a caption's own tokens among those that follow the image."""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image
from torch import Tensor

from mir_task.adapters import Adapter
from mir_task.adapters.base import Inputs
from mir_task.errors import MIRModelError


class Frame(NamedTuple):
    """What the template writes around any caption."""

    head: Tensor
    """[n] ids between the image and the caption."""
    tail: Tensor
    """[m] ids behind the caption."""
    before: str
    """The prompt's characters before the caption."""
    behind: str
    """The prompt's characters behind the caption."""


def template_frame(adapter: Adapter, image: Image.Image) -> Frame:
    """Find what the template writes around captions, from two short ones.

    Raises:
        MIRModelError: the family has no placeholder id for the image.
    """
    # Two texts that share nothing: what is equal at either end belongs to the template.
    texts = ("a", "the")
    a, b = (after_image(adapter, adapter.prepare(image, text, 1)) for text in texts)
    p, q = (adapter.prompt(adapter.shown(text, 1)) for text in texts)
    return Frame(
        a[: _shared(a.tolist(), b.tolist())],
        a[len(a) - _shared(a.tolist()[::-1], b.tolist()[::-1]) :],
        p[: _shared(p, q)],
        p[len(p) - _shared(p[::-1], q[::-1]) :],
    )


def after_image(adapter: Adapter, inputs: Inputs) -> Tensor:
    """[n] ids of every position after the last vision position.

    Raises:
        MIRModelError: the family has no placeholder id for the image.
    """
    vision = adapter.vision_mask(inputs)
    if vision is None:
        raise MIRModelError(
            f"{type(adapter.model).__name__}: perplexity of captions needs a placeholder id for the image, which this "
            "family has not"
        )
    ids: Tensor = inputs["input_ids"][0, int(vision.nonzero().max()) + 1 :]
    return ids


def caption_tokens(adapter: Adapter, frame: Frame, after: Tensor, text: str, max_text_tokens: int) -> slice:
    """Tell which of the ids behind the image are the caption's.

    They are what stands between the template's own ids. Where the tokenizer merges an end of the caption with the
    template, as Llama 3's and Qwen's do with ``.`` and a newline, no such id is left there, and the tokens' characters
    decide: a token that holds a character of the caption is the caption's, whatever else it holds.

    Args:
        adapter: the model's adapter.
        frame: from :func:`template_frame`.
        after: [n] ids behind the image.
        text: the caption.
        max_text_tokens: the caption was cut to this many tokens.

    Raises:
        MIRModelError: the template writes something else around this caption than around others, or the tokenizer
            does not tell which characters a token holds.
    """
    start, end = len(frame.head), len(after) - len(frame.tail)
    begins, ends = after[:start].equal(frame.head), after[max(end, 0) :].equal(frame.tail)
    if begins and ends and start < end:
        return slice(start, end)
    # Where the template's ids before the caption are there, they need not be in the prompt: a processor may write more
    # around the image than its placeholder.
    start = start if begins else 0
    prompt = adapter.prompt(adapter.shown(text, max_text_tokens))
    own = [start + at for at in _by_characters(adapter, frame, after[start:], prompt)]
    return slice(start if begins else own[0], own[-1] + 1)


def _by_characters(adapter: Adapter, frame: Frame, last: Tensor, prompt: str) -> list[int]:
    """Places among the prompt's last ids [n] that hold characters of the caption."""
    first, stop = len(frame.before), len(prompt) - len(frame.behind)
    fast = getattr(adapter.tokenizer, "is_fast", False)
    if fast and first < stop and prompt.startswith(frame.before) and prompt.endswith(frame.behind):
        tokens = adapter.tokenizer(
            prompt, add_special_tokens=adapter.adds_special_tokens(prompt), return_offsets_mapping=True
        )
        begin = len(tokens["input_ids"]) - len(last)
        if begin >= 0 and tokens["input_ids"][begin:] == last.tolist():
            own, before = [], 0
            for at, (left, right) in enumerate(tokens["offset_mapping"]):
                # Byte-level tokenizers leave spaces at a token's start out of its offsets.
                if max(min(left, before), first) < min(right, stop) and at >= begin:
                    own.append(at - begin)
                before = right
            if own:
                return own
    raise MIRModelError(
        "the chat template writes other tokens around this caption than around another, and the tokenizer does not "
        "tell which characters each of them holds; perplexity of the caption alone cannot be told"
    )


def _shared(a: str | list[int], b: str | list[int]) -> int:
    """How many items two sequences have in common from their start."""
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
