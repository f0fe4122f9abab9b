"""InternLM-XComposer2, XComposer2-4KHD and 2.5: ``interleav_wrap_chat`` of the model makes the prompt's embeddings."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from mir_task.adapters.pipeline import Pipeline
from mir_task.adapters.recipes.fingerprint import fingerprint
from mir_task.errors import MIRModelError

__all__ = ["xcomposer2"]

QUERY = "<ImageHere>"
"""A user's turn that holds the image alone."""


def xcomposer2(model: Any, tokenizer: Any) -> Pipeline:
    """Show XComposer2 the image in the user's turn and the text as the assistant's.

    System prompt and number of tiles are those of the model's own ``chat`` where it is given nothing else.

    Args:
        model: an ``InternLMXComposer2ForCausalLM`` of the remote code.
        tokenizer: the model's tokenizer.
    """
    kind = type(model)
    defaults = {name: each.default for name, each in inspect.signature(kind.chat).parameters.items()}
    system = defaults["meta_instruction"] if defaults.get("use_meta", True) else ""
    tiles = {"hd_num": defaults["hd_num"]} if "hd_num" in defaults else {}
    # XComposer2 wraps embeddings of an image, 2.5 images by their path.
    wraps_embeddings = "tokenizer" in inspect.signature(kind.interleav_wrap_chat).parameters

    def prompt(path: str) -> tuple[torch.Tensor, torch.Tensor]:
        if wraps_embeddings:
            image = model.encode_img(path, **tiles)
            inputs, vision, *_ = model.interleav_wrap_chat(tokenizer, QUERY, image, [], system)
        else:
            inputs, vision, *_ = model.interleav_wrap_chat(QUERY, [path], [], system, **tiles)
        return inputs["inputs_embeds"], vision

    def run(image: Image.Image, text: str) -> None:
        weight = model.get_input_embeddings().weight
        with _tokenizer_of(model, tokenizer), tempfile.TemporaryDirectory(prefix="mir-") as folder:
            path = Path(folder, "image.png")
            image.save(path)
            # The family's code leaves pixels in float32 beside weights of 16 bits, and runs under autocast.
            with torch.autocast(weight.device.type, weight.dtype, enabled=weight.dtype.itemsize == 2):
                embeds, vision = prompt(str(path))
            _check_uncut(model, embeds)
            answer = model.encode_text(text)
        embeds = torch.cat([embeds.to(answer), answer], dim=1)
        vision = torch.nn.functional.pad(vision, (0, answer.shape[1]))
        model(inputs_embeds=embeds, im_mask=vision, use_cache=False)

    source = (kind.chat, kind.interleav_wrap_chat, kind.encode_img, kind.encode_text)
    return Pipeline(run, tokenizer, fingerprint(xcomposer2, QUERY, *source), "chat_template")


def _check_uncut(model: Any, prompt: torch.Tensor) -> None:
    """Refuse a prompt [1, n, d] that reaches the length at which the family's code cuts without a word."""
    limit = getattr(model, "max_length", None)
    if limit is not None and prompt.shape[1] >= limit:
        raise MIRModelError(
            f"{type(model).__name__}: the image takes more than the {limit} positions at which the model's own code "
            "cuts (max_length of its config); use smaller images; the image is never cut"
        )


@contextmanager
def _tokenizer_of(model: Any, tokenizer: Any) -> Iterator[None]:
    """Give the model its tokenizer, which its code reads from an attribute that is None in a loaded model."""
    before = model.tokenizer
    model.tokenizer = tokenizer
    try:
        yield
    finally:
        model.tokenizer = before
