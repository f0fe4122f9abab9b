"""MiniCPM-V: transformers' own classes from 4.6 on, and the remote code of 2.0, Llama3-V 2.5 and 2.6."""

from __future__ import annotations

import inspect
import sys
from functools import cached_property
from typing import Any

from PIL import Image
from torch import Tensor

from mir_task.adapters.base import Adapter, Inputs
from mir_task.adapters.kinds import takes_images
from mir_task.adapters.own_run import run_to_first_pass
from mir_task.adapters.remote import RemoteCodeAdapter
from mir_task.adapters.systems import BY_ID, BY_PROVENANCE, NATIVE, PROCESSOR, TOKENIZER, Systems, real_code
from mir_task.errors import MIRModelError


class MiniCPMVAdapter(Adapter):
    """Transformers' own classes."""

    family = "MiniCPM-V"
    systems = (
        Systems("MiniCPM-V 4.6, 4.7", ("minicpmv4_6", "minicpmv4_7"), "scatter, slices", BY_ID, NATIVE),
    )


class MiniCPMVChatAdapter(RemoteCodeAdapter):
    """The remote code: its own ``chat`` slices the image, fills the template and starts the forward pass.

    MiniCPM-V 2.0, whose language model has lost ``generate``, has a recipe of its own
    (:mod:`mir_task.adapters.recipes.minicpm_v2`).
    """

    family = "MiniCPM-V"
    systems = (
        Systems(
            "MiniCPM-Llama3-V 2.5, MiniCPM-V 2.6",
            ("minicpmv",),
            "written in place",
            BY_PROVENANCE,
            real_code(
                "theonlyengine/VQA_Model@4520826 (2.5; 4.57, 5.24)",
                "wusongbai139/AnyCaption@ccb1092 (2.6; 4.57, 5.24)",
            ),
            f"{TOKENIZER}, {PROCESSOR}",
        ),
    )
    stop_after_prefill = True

    @property
    def image_placeholder(self) -> str:
        """The placeholder that the family's code takes for the image."""
        return "<image>"

    @property
    def _chat_template(self) -> str:
        # The template is part of chat() in the oldest code and of the tokenizer since.
        return getattr(self.tokenizer, "chat_template", None) or inspect.getsource(type(self.model).chat)

    def prompt(self, text: str) -> str:
        """The text as it is; ``chat`` makes the assistant's turn of it."""
        return text

    def prepare(self, image: Image.Image, text: str, max_text_tokens: int) -> Inputs:
        """See :meth:`Adapter.prepare`; only ``chat`` knows the length, which :meth:`split` compares to the context."""
        return super().prepare(image, text, max_text_tokens) | {"max_text_tokens": max_text_tokens}

    def encode(self, image: Image.Image, prompt: str) -> Inputs:
        """Make a conversation of the image and the text."""
        turns = [{"role": "user", "content": ""}, {"role": "assistant", "content": prompt}]
        return {"image": image, "msgs": turns}

    def prefill(self, inputs: Inputs) -> None:
        """Start ``chat``, which is ended at the final norm of its first forward pass.

        Beams are copies of the sequence, and without sampling ``chat`` takes three unless told otherwise. It also
        cuts what is longer than ``max_inp_length``, by default shorter than an image of many slices with its text.
        """
        arguments = {
            "image": inputs["image"],
            "msgs": inputs["msgs"],
            "tokenizer": self.tokenizer,
            "sampling": False,
            "num_beams": 1,
            "max_new_tokens": 1,
        }
        optional = {"context": None, "processor": self._own_processor, "max_inp_length": sys.maxsize}
        accepted = {name: value for name, value in optional.items() if name in self._chat_parameters}
        run_to_first_pass(self.model, self.decoder, lambda: self.model.chat(**arguments, **accepted))

    def split(self, inputs: Inputs, vision: Tensor, attended: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Adapter.split`.

        Raises:
            MIRModelError: the sequence is longer than the model's context.
        """
        self.check_length(len(vision), inputs["max_text_tokens"])
        return super().split(inputs, vision, attended)

    @property
    def _chat_parameters(self) -> set[str]:
        return set(inspect.signature(self.model.chat).parameters)

    @cached_property
    def _own_processor(self) -> Any:
        """The processor that was given; beside a mere tokenizer the checkpoint's, as ``chat`` loads it each time."""
        if takes_images(self.processor) or "processor" not in self._chat_parameters:
            return self.processor
        from transformers import AutoProcessor

        path = self.model.config._name_or_path
        try:
            return AutoProcessor.from_pretrained(path, trust_remote_code=True)
        except Exception as error:
            raise MIRModelError(
                f"{type(self.model).__name__}: a tokenizer was given, and the processor that belongs to it cannot be "
                f"loaded from {path!r} ({error}); give measure() the model's AutoProcessor"
            ) from error
