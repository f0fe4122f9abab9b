"""Prompts from the conversation templates of LLaVA and of the repositories that are built on it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mir_task.adapters.recipes.own_code import own_module
from mir_task.errors import MIRModelError

IMAGE, IMAGE_ID = "<image>", -200
"""The image's place in a prompt, and among the token ids, where no token has this number."""
START, END = "<im_start>", "<im_end>"
"""Tokens around the image in models that were trained with them (``mm_use_im_start_end``)."""


@dataclass(frozen=True)
class Prompts:
    """Prompts of one of a repository's conversation templates.

    Args:
        conversation: the template, an object of the repository's class ``Conversation``.
        image: the image's place, with what stands around it.
        tokenizer: the model's.
        tail: what the template puts behind the answer to ask for the next one; training cuts it off.
    """

    conversation: Any
    image: str
    tokenizer: Any
    tail: str = ""

    def prompt(self, text: str) -> str:
        """Put the text into the assistant's turn, after a user's turn that holds the image alone."""
        conversation = self.conversation.copy()
        conversation.append_message(conversation.roles[0], f"{self.image}\n")
        conversation.append_message(conversation.roles[1], text)
        return str(conversation.get_prompt()).removesuffix(self.tail)

    def token_ids(self, text: str) -> Tensor:
        """Tokenise a prompt as the repositories' ``tokenizer_image_token`` does; :data:`IMAGE` in the text is text.

        Returns:
            [1, length] int64 with one :data:`IMAGE_ID`, on the CPU.
        """
        parts = self.prompt(text).split(IMAGE, 1)
        before, after = (list(self.tokenizer(part)["input_ids"]) for part in parts)
        if before[:1] == [self.tokenizer.bos_token_id]:
            after = after[1:]  # each part begins with a BOS token, the second not in the middle of the prompt
        return torch.tensor([[*before, IMAGE_ID, *after]])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the prompt around the text."""
        return hashlib.sha256(self.prompt("{text}").encode()).hexdigest()


def prompts_of(model: Any, tokenizer: Any, conversation: str | None = None, tail: str = "") -> Prompts:
    """Choose the conversation template of a model as its repository's scripts do.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        conversation: a name among the repository's ``conv_templates``; default: by LLM.
        tail: see :class:`Prompts`.

    Raises:
        MIRModelError: the repository has no such template.
    """
    templates = own_module(model, "conversation", "utils.conversation").conv_templates
    names = (conversation,) if conversation else _names(model, tokenizer)
    name = next((name for name in names if name in templates), None)
    if name is None:
        raise MIRModelError(
            f"{type(model).__name__}: its repository has no conversation template {' or '.join(names)}, but "
            f"{', '.join(sorted(templates))}; make the pipeline with one of these: recipe(model, tokenizer, "
            "conversation=…) from mir_task.adapters.recipes"
        )
    framed = START + IMAGE + END if getattr(model.config, "mm_use_im_start_end", False) else IMAGE
    return Prompts(templates[name], framed, tokenizer, tail)


def _names(model: Any, tokenizer: Any) -> tuple[str, ...]:
    """Names that the template for a model's LLM has, told by its class and by the role tokens it knows."""
    cls, path = type(model).__name__, str(getattr(model.config, "_name_or_path", "")).lower()
    if "Mistral" in cls or "Mixtral" in cls:
        return ("mistral_instruct",)
    if "Gemma" in cls:
        return ("gemma",)
    vocabulary = tokenizer.get_vocab()
    if "<|start_header_id|>" in vocabulary:
        return ("llama_3",)
    if "<|im_start|>" in vocabulary:
        return ("chatml_direct", "Hermes-2", "hermes-2")
    if "llama-2" in path and "vicuna" not in path:
        return ("llava_llama_2",)
    return ("vicuna_v1",)
