"""CogVLM and CogVLM2: ``build_conversation_input_ids`` of the model makes the input, with the image's places in it."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from PIL import Image

from mir_task.adapters.pipeline import Pipeline
from mir_task.adapters.recipes.fingerprint import fingerprint

__all__ = ["cogvlm2"]


def cogvlm2(model: Any, tokenizer: Any) -> Pipeline:
    """Show a CogVLM model the image in the question's turn and the text as the answer.

    The template is the checkpoint's own, ``config.template_version``; ``base`` is the text behind the image, without a
    question.

    Args:
        model: a ``CogVLMForCausalLM`` of the remote code.
        tokenizer: the model's tokenizer. CogVLM2's code sets its ``pad_token_id``.
    """
    build = model.build_conversation_input_ids
    takes_answer = "answer" in inspect.signature(build).parameters

    def run(image: Image.Image, text: str) -> None:
        # CogVLM2's code ends an answer with the end-of-sequence token, as in training; CogVLM's knows no answers.
        answer = {"answer": text} if takes_answer else {}
        built = build(tokenizer, query="", history=[], images=[image], **answer)
        embedding = model.get_input_embeddings().weight
        names = ("input_ids", "token_type_ids", "attention_mask")
        inputs = {name: built[name][None].to(embedding.device) for name in names}
        if not takes_answer:
            inputs = _with_answer(inputs, tokenizer.encode(text, add_special_tokens=False))
        pixels = built["images"][0].to(embedding.device, embedding.dtype)
        model(**inputs, images=[[pixels]], use_cache=False)

    version = str(getattr(model.config, "template_version", "chat"))
    # The template is written in a function of the same file.
    source = inspect.getsource(inspect.getmodule(type(model)))  # type: ignore[arg-type]
    return Pipeline(
        run,
        tokenizer,
        fingerprint(cogvlm2, source, version),
        "plain" if version == "base" else "chat_template",
    )


def _with_answer(inputs: dict[str, torch.Tensor], answer: list[int]) -> dict[str, torch.Tensor]:
    """Append token ids to inputs [1, n]: language (type 0), attended."""
    ids = inputs["input_ids"].new_tensor([answer])
    added = {
        "input_ids": ids,
        "token_type_ids": torch.zeros_like(ids),
        "attention_mask": torch.ones_like(ids),
    }
    return {name: torch.cat([value, added[name]], dim=1) for name, value in inputs.items()}
