"""What all model families have in common: how a pair is shown to the model and read off again."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar, Literal

import torch
from PIL import Image
from torch import Tensor

from mir_task.adapters.decoder import Decoder, find_decoder
from mir_task.errors import MIRDataError, MIRModelError

Inputs = dict[str, Tensor]


class Adapter:
    """How one family of models is fed an (image, text) pair and where its vision rows are.

    Subclasses set :attr:`family` and :attr:`model_types` and override what their family does differently.

    Args:
        model: a transformers model with a token embedding and a decoder stack.
        processor: its processor: callable with ``text`` and ``images``, with a ``tokenizer``.
    """

    family: ClassVar[str]
    model_types: ClassVar[tuple[str, ...]]

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        self.decoder: Decoder = find_decoder(model)

    @property
    def device(self) -> torch.device:
        """Where the model takes its inputs."""
        return next(self.decoder.embedding.parameters()).device

    @property
    def template(self) -> Literal["chat_template", "plain"]:
        """The processor's own chat template, or image, newline, text for checkpoints without one."""
        return "chat_template" if self._chat_template else "plain"

    @property
    def template_sha256(self) -> str | None:
        """Fingerprint of the chat template, None without one."""
        return hashlib.sha256(self._chat_template.encode()).hexdigest() if self._chat_template else None

    @property
    def _chat_template(self) -> str | None:
        # The processor's own attribute only: lmms-eval's llava_hf sets one on the tokenizer while it runs
        # other tasks, and MIR must not depend on which tasks ran before.
        template = getattr(self.processor, "chat_template", None)
        return template.get("default") if isinstance(template, dict) else template

    @property
    def image_placeholder(self) -> str:
        """The text of one image placeholder, as the processor expects it in a prompt."""
        return str(self.processor.image_token)

    def prompt(self, text: str) -> str:
        """The text as the assistant's turn after a user's turn that holds the image alone."""
        if self._chat_template is None:
            return f"{self.image_placeholder}\n{text}"
        conversation = [
            {"role": "user", "content": [{"type": "image"}]},
            {"role": "assistant", "content": [{"type": "text", "text": text}]},
        ]
        return str(self.processor.apply_chat_template(conversation, chat_template=self._chat_template))

    def prepare(self, image: Image.Image, text: str, max_text_tokens: int) -> Inputs:
        """Model inputs of one pair, on the model's device, pixels in its dtype.

        Raises:
            MIRDataError: the text holds an image placeholder.
            MIRModelError: the sequence is longer than the model's context.
        """
        if self.image_placeholder in text:
            raise MIRDataError(
                f"the text contains this model's image placeholder {self.image_placeholder!r}; remove it"
            )
        prompt = self.prompt(truncate(text, self.processor.tokenizer, max_text_tokens))
        bos = self.processor.tokenizer.bos_token
        batch = self.processor(
            text=[prompt],
            images=[image],
            return_tensors="pt",
            # As transformers does it: a template that writes the BOS token itself must not get a second one.
            add_special_tokens=not (bos and prompt.startswith(bos)),
        )
        batch = batch.to(self.device, dtype=self.model.dtype)
        inputs = {name: value for name, value in batch.items() if name != "token_type_ids"}
        length = inputs["input_ids"].shape[1]
        context = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if context is not None and length > context:
            raise MIRModelError(
                f"image and text take {length} tokens, the model's context is {context}; lower "
                f"max_text_tokens (now {max_text_tokens}); the image is never cut"
            )
        return inputs

    def prefill(self, inputs: Inputs) -> None:
        """One forward pass over the whole sequence, without the LM head and without a cache."""
        headless = self.model.base_model
        if headless is self.model:  # transformers 4.57 names no base model for its vision-language classes
            headless = getattr(self.model, "model", self.model)
        headless(**inputs, use_cache=False)

    def vision_mask(self, inputs: Inputs) -> Tensor:
        """[sequence] bool: positions whose input embedding comes from the image."""
        config = self.model.config
        image_id = getattr(config, "image_token_id", None)
        image_id = getattr(config, "image_token_index", None) if image_id is None else image_id
        if image_id is None:
            raise MIRModelError(f"{type(self.model).__name__}: its config names no image placeholder token")
        mask = inputs["input_ids"][0].eq(image_id)
        if not mask.any():
            raise MIRModelError(
                f"{type(self.model).__name__}: the processor put no image placeholder (id {image_id}) into the "
                "input; does the processor belong to this model?"
            )
        return mask

    def text_mask(self, inputs: Inputs) -> Tensor:
        """[sequence] bool: every attended position after the last vision position."""
        vision = self.vision_mask(inputs)
        after = torch.arange(len(vision), device=vision.device).gt(int(vision.nonzero().max()))
        return after & inputs["attention_mask"][0].bool()


def truncate(text: str, tokenizer: Any, max_tokens: int) -> str:
    """The longest beginning of the text that takes at most ``max_tokens`` tokens of this tokenizer.

    Cuts the string, not the ids, so that the rest of the template still follows it.
    """
    if not tokenizer.is_fast:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        return text if len(ids) <= max_tokens else str(tokenizer.decode(ids[:max_tokens]))
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return text if len(offsets) <= max_tokens else text[: offsets[max_tokens][0]]
