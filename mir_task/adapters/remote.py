"""The base of adapters for remote code, which has a tokenizer but no processor that takes images."""

from __future__ import annotations

from typing import Any

from PIL import Image
from torch import Tensor

from mir_task.adapters.base import Adapter, Inputs
from mir_task.adapters.kinds import tokenizer_of


class RemoteCodeAdapter(Adapter):
    """Adapter for a model that comes with a tokenizer, or with a processor that holds one."""

    @staticmethod
    def accepts(processor: Any) -> bool:
        """Whether the processor is a tokenizer or holds one."""
        return tokenizer_of(processor) is not None

    @property
    def tokenizer(self) -> Any:
        """The tokenizer that was given, or the processor's."""
        return tokenizer_of(self.processor)

    def vision_mask(self, inputs: Inputs) -> Tensor | None:
        """None: token ids do not tell vision positions."""
        return None

    def prepare(self, image: Image.Image, text: str, max_text_tokens: int) -> Inputs:
        """See :meth:`Adapter.prepare`."""
        inputs = self.encode(image, self.prompt(self.shown(text, max_text_tokens)))
        if "input_ids" in inputs:
            self.check_length(inputs["input_ids"].shape[1], max_text_tokens)
        return inputs

    def encode(self, image: Image.Image, prompt: str) -> Inputs:
        """Make the inputs of :meth:`prefill` from an image and a prompt."""
        raise NotImplementedError
