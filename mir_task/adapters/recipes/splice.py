"""Embeddings of a prompt with the image's rows spliced in, by LLaVA's method and what other repositories made of it."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor

from mir_task.errors import MIRModelError


def spliced(model: Any, token_ids: Tensor, **images: Any) -> tuple[Any, ...]:
    """Call a model's ``prepare_inputs_labels_for_multimodal``, whose arguments differ between repositories.

    Args:
        model: the model.
        token_ids: [1, length] int64.
        images: what the repository's code makes of the image, by argument; tensors are moved to the model's device
            and dtype. Arguments that the method does not have are left out, those not given are None.
    """
    prepare = model.prepare_inputs_labels_for_multimodal
    weight = model.get_input_embeddings().weight
    given = {"input_ids": token_ids.to(weight.device)}
    given |= {name: _moved(value, weight) for name, value in images.items()}
    arguments = {
        name: given.get(name)
        for name, parameter in inspect.signature(prepare).parameters.items()
        if name in given or parameter.default is parameter.empty
    }
    return tuple(prepare(**arguments))


def whole(model: Any, embeds: Tensor | None) -> Tensor:
    """Return the prompt's embeddings [1, length, d] if they are there and whole.

    Raises:
        MIRModelError: they are None, or may have been cut.
    """
    if embeds is None:
        raise MIRModelError(
            f"{type(model).__name__}: its own code took no image; is its vision tower loaded?"
        )
    check_uncut(model, embeds.shape[1])
    return embeds


def check_uncut(model: Any, length: int) -> None:
    """Refuse a prompt of ``length`` positions that is too long.

    Raises:
        MIRModelError: the prompt is longer than the model's context, or reaches the length at which the repository's
            code cuts without a word.
    """
    config = getattr(model, "llm", model).config  # VILA's limits stand in its LLM's config
    limit = getattr(config, "tokenizer_model_max_length", None)
    context = getattr(config, "max_position_embeddings", None)
    if limit is not None and length >= limit:
        raise MIRModelError(
            f"{type(model).__name__}: image and text reach the {limit} positions at which the model's own code cuts "
            "(config.tokenizer_model_max_length); lower max_text_tokens; the image is never cut"
        )
    if context is not None and length > context:
        raise MIRModelError(
            f"{type(model).__name__}: image and text take {length} positions, the model's context is {context}; lower "
            "max_text_tokens; the image is never cut"
        )


def _moved(value: Any, weight: Tensor) -> Any:
    if isinstance(value, Tensor):
        return value.to(weight.device, weight.dtype)
    if isinstance(value, list):
        return [_moved(item, weight) for item in value]
    return value
