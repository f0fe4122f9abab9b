"""The base of all adapters: shows a model an (image, text) pair and tells vision from text positions."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from PIL import Image
from torch import Tensor

from mir_task.adapters.decoder import Decoder, find_decoder, text_config
from mir_task.adapters.kinds import is_tokenizer
from mir_task.adapters.plain_text import control_tokens, spelled_out
from mir_task.adapters.sharding import Sharding, device_of, sharding
from mir_task.adapters.systems import Systems
from mir_task.errors import MIRDataError, MIRModelError

Inputs = dict[str, Any]
"""Arguments of a model's forward pass for one pair, or for a batch of pairs."""

CHARACTERS_PER_TOKEN = 16
"""First guess, on the safe side, of how many characters a token takes; in prose it takes three or four."""
TOKENS_BEFORE_CUT = 64
"""Tokens next to a cut that may be others than in the whole text, and so are not relied on."""


class Adapter:
    """Feeds (image, text) pairs to models of one family and tells where their vision rows are.

    Subclasses set :attr:`family` and :attr:`systems` and override what their family does differently.

    Args:
        model: a torch model with a token embedding and a decoder stack.
        processor: its processor: callable with ``text`` and ``images``, with a ``tokenizer``.
    """

    family: ClassVar[str]
    """The family's name in results and in the table of supported models."""
    systems: ClassVar[tuple[Systems, ...]] = ()
    """The family's rows of the table of supported models."""
    stop_after_prefill: ClassVar[bool] = False
    """Whether :meth:`prefill` runs more than one forward pass and must be ended after the first."""
    batched: ClassVar[bool] = False
    """Whether pairs can share a forward pass (:func:`mir_task.adapters.batch.collate`)."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        self.decoder: Decoder = find_decoder(model)
        self.sharding: Sharding | None = sharding(model)
        """How the weights are sharded over processes, all of which must then run every layer equally often."""

    @staticmethod
    def accepts(processor: Any) -> bool:
        """Whether the adapter can work with this kind of processor."""
        return callable(processor) and hasattr(processor, "tokenizer") and not is_tokenizer(processor)

    @property
    def device(self) -> torch.device:
        """The device on which the model takes its inputs."""
        return device_of(next(self.decoder.embedding.parameters()))

    @property
    def cross_attention(self) -> bool:
        """Whether decoder layers also attend to rows outside their sequence, as CogAgent's do."""
        names = (name for layer in self.decoder.layers for name, _ in layer.named_modules())
        return any("cross" in name.lower() for name in names)

    @property
    def hidden_size(self) -> int:
        """The width d of the decoder's hidden states."""
        width: int = getattr(text_config(self.model), "hidden_size", 0)
        return width or next(self.decoder.embedding.parameters()).shape[-1]

    @property
    def template(self) -> Literal["chat_template", "plain", "user_turn"]:
        """The kind of prompt: the processor's chat template, or image, newline, text without one."""
        return "chat_template" if self._chat_template else "plain"

    @property
    def template_sha256(self) -> str | None:
        """The chat template's SHA-256, None without one."""
        return hashlib.sha256(self._chat_template.encode()).hexdigest() if self._chat_template else None

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.processor.tokenizer

    @property
    def image_placeholder(self) -> str | None:
        """The image placeholder that the processor expects in a prompt; None if it expects none."""
        token = getattr(self.processor, "image_token", None)
        return None if token is None else str(token)

    @property
    def image_prompt(self) -> str:
        """The image's place in a prompt without chat template."""
        return f"{self.image_placeholder}\n" if self.image_placeholder else ""

    @property
    def _chat_template(self) -> str | None:
        # The processor's own attribute only: lmms-eval's llava_hf sets one on the tokenizer while it runs
        # other tasks, and MIR must not depend on which tasks ran before.
        template = getattr(self.processor, "chat_template", None)
        return template.get("default") if isinstance(template, dict) else template

    def prompt(self, text: str) -> str:
        """Put the text into the assistant's turn, after a user's turn that holds the image alone."""
        if self._chat_template is None:
            return self.image_prompt + text
        conversation = [
            {"role": "user", "content": [{"type": "image"}]},
            {"role": "assistant", "content": [{"type": "text", "text": text}]},
        ]
        return str(self.processor.apply_chat_template(conversation, chat_template=self._chat_template))

    def prepare(self, image: Image.Image, text: str, max_text_tokens: int) -> Inputs:
        """Make the model's inputs for one pair, on its device, pixels in its dtype.

        Args:
            image: an RGB image; it is never cut.
            text: is cut to ``max_text_tokens``.
            max_text_tokens: of the model's own tokenizer, without special tokens.

        Raises:
            MIRDataError: the sequence is longer than the model's context.
        """
        prompt = self.prompt(self.shown(text, max_text_tokens))
        batch = self.processor(
            text=[prompt],
            images=[image],
            return_tensors="pt",
            add_special_tokens=self.adds_special_tokens(prompt),
        )
        batch = batch.to(self.device, dtype=self.model.dtype)
        # Fast tokenizers add token types that many models do not take; others (Gemma 3) need them. Labels
        # (PaliGemma's processor) would cost a loss.
        unwanted = {"labels"} if takes(self.model, ["token_type_ids"]) else {"labels", "token_type_ids"}
        inputs = {name: value for name, value in batch.items() if name not in unwanted}
        self.check_length(inputs["input_ids"].shape[1], max_text_tokens)
        return inputs

    def adds_special_tokens(self, prompt: str) -> bool:
        """Whether the tokenizer adds its special tokens; a template that writes the BOS token itself gets no second."""
        bos = self.tokenizer.bos_token  # decided as transformers does it
        return not (bos and prompt.startswith(bos))

    def shown(self, text: str, max_text_tokens: int) -> str:
        """The text as the model is shown it: control tokens in it spelled out, and cut."""
        return truncate(spelled_out(text, self._control_tokens), self.tokenizer, max_text_tokens)

    @cached_property
    def _control_tokens(self) -> list[str]:
        return control_tokens(self.processor, self.tokenizer, self.image_placeholder)

    def check_length(self, length: int, max_text_tokens: int) -> None:
        """Refuse a sequence of ``length`` tokens if the model's context is shorter.

        Raises:
            MIRDataError: the context is shorter; the message gives both lengths.
        """
        context = getattr(text_config(self.model), "max_position_embeddings", None)
        if context is not None and length > context:
            raise MIRDataError(
                f"image and text take {length} tokens, the model's context is {context}; lower "
                f"max_text_tokens (now {max_text_tokens}); the image is never cut"
            )

    def prefill(self, inputs: Inputs) -> None:
        """Run one forward pass over the whole sequence, without a cache and, where possible, without the LM head."""
        headless = getattr(self.model, "base_model", self.model)
        if headless is self.model:  # transformers 4.57 names no base model for its vision-language classes
            headless = getattr(self.model, "model", self.model)
        # Sharded weights of the model itself are gathered when it runs, and not when its inner model does.
        if headless is not self.model and not self.sharding and takes(headless, inputs):
            headless(**inputs, use_cache=False)
        else:  # models that bring the image in outside their inner model
            last = {"logits_to_keep": 1} if takes(self.model, ["logits_to_keep"]) else {}
            self.model(**inputs, **last, use_cache=False)

    def vision_mask(self, inputs: Inputs) -> Tensor | None:
        """Find the positions whose input embedding comes from the image, by the placeholder's token id.

        Returns:
            [sequence] bool; None in families whose ids do not tell, where provenance does.

        Raises:
            MIRModelError: the config names no placeholder, or the input holds none.
        """
        image_id = self.image_id
        if image_id is None:
            raise MIRModelError(f"{type(self.model).__name__}: its config names no image placeholder token")
        mask: Tensor = inputs["input_ids"][0].eq(image_id)
        if not mask.any():
            raise MIRModelError(
                f"{type(self.model).__name__}: the processor put no image placeholder (id {image_id}) into the "
                "input; does the processor belong to this model?"
            )
        return mask

    @property
    def image_id(self) -> int | None:
        """The token id of image placeholders, None if the config names none."""
        config = self.model.config
        image_id: int | None = getattr(config, "image_token_id", None)
        return getattr(config, "image_token_index", None) if image_id is None else image_id

    def split(self, inputs: Inputs, vision: Tensor, attended: Tensor) -> tuple[Tensor, Tensor]:
        """Split the decoder's sequence into vision and text positions.

        Override it to leave positions out of both modalities.

        Args:
            inputs: what :meth:`prepare` made.
            vision: [sequence] bool, positions whose input embedding is no token's.
            attended: [sequence] bool, positions that are no padding.

        Returns:
            Two [sequence] bool masks: attended vision positions, and all attended positions after the last of
            them.
        """
        vision = vision & attended
        after = torch.arange(len(vision)).gt(int(vision.nonzero().max())) if vision.any() else ~vision
        return vision, after & attended


def takes(module: Any, names: Iterable[str]) -> bool:
    """Whether a module's ``forward`` names all of these arguments."""
    return set(names) <= set(inspect.signature(module.forward).parameters)


def truncate(text: str, tokenizer: Any, max_tokens: int) -> str:
    """Cut a text to its longest beginning of at most ``max_tokens`` tokens.

    Cuts the string, not the ids, so that the rest of the template still follows it. Of a very long text only the
    beginning is tokenised.
    """
    length = CHARACTERS_PER_TOKEN * max_tokens
    fast = getattr(tokenizer, "is_fast", False)  # tokenizers of remote code may not say
    offsets: dict[str, bool] = {"return_offsets_mapping": True} if fast else {}
    while True:
        tokens = tokenizer(text[:length], add_special_tokens=False, **offsets)
        if length >= len(text) or len(tokens["input_ids"]) > max_tokens + TOKENS_BEFORE_CUT:
            break
        length *= 2
    if len(tokens["input_ids"]) <= max_tokens:
        return text
    if not fast:
        return str(tokenizer.decode(tokens["input_ids"][:max_tokens]))
    return text[: tokens["offset_mapping"][max_tokens][0]]
