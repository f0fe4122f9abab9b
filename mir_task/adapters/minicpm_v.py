"""MiniCPM-V: transformers' own classes from 4.6 on, and the remote code of 2.0, Llama3-V 2.5 and 2.6."""

from __future__ import annotations

import inspect

from PIL import Image

from mir_task.adapters.base import Adapter, Inputs
from mir_task.adapters.remote import RemoteCodeAdapter
from mir_task.adapters.systems import BY_ID, BY_PROVENANCE, NATIVE, STAND_IN, Systems


class MiniCPMVAdapter(Adapter):
    """Transformers' own classes."""

    family = "MiniCPM-V"
    systems = (
        Systems("MiniCPM-V 4.6, 4.7", ("minicpmv4_6", "minicpmv4_7"), "scatter, slices", BY_ID, NATIVE),
    )


class MiniCPMVChatAdapter(RemoteCodeAdapter):
    """The remote code: its own ``chat`` slices the image, fills the template and starts the forward pass."""

    family = "MiniCPM-V"
    systems = (
        Systems(
            "MiniCPM-V 2.0, Llama3-V 2.5, 2.6",
            ("minicpmv",),
            "written in place (2.0: scaled)",
            BY_PROVENANCE,
            STAND_IN,
        ),
    )
    stop_after_prefill = True

    @property
    def image_placeholder(self) -> str:
        """The placeholder that the family's code takes for the image."""
        return "<image>"

    @property
    def _chat_template(self) -> str:
        # The template is part of chat() in 2.0 and of the tokenizer since.
        return getattr(self.tokenizer, "chat_template", None) or inspect.getsource(type(self.model).chat)

    def prompt(self, text: str) -> str:
        """The text as it is; ``chat`` makes the assistant's turn of it."""
        return text

    def encode(self, image: Image.Image, prompt: str) -> Inputs:
        """Make a conversation of the image and the text."""
        turns = [{"role": "user", "content": ""}, {"role": "assistant", "content": prompt}]
        return {"image": image, "msgs": turns}

    def prefill(self, inputs: Inputs) -> None:
        """Start ``chat``, which is ended at the final norm of its first forward pass."""
        optional = {"context": None, "processor": self.processor if callable(self.processor) else None}
        parameters = inspect.signature(self.model.chat).parameters
        accepted = {name: value for name, value in optional.items() if name in parameters}
        self.model.chat(**inputs, tokenizer=self.tokenizer, sampling=False, max_new_tokens=1, **accepted)
