"""Models whose own code builds the input: MIR reads the forward pass that it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image
from torch import Tensor

from mir_task.adapters.base import Adapter, Inputs
from mir_task.adapters.own_run import run_to_first_pass
from mir_task.adapters.systems import BY_PROVENANCE, PIPELINE, STAND_IN, Systems
from mir_task.errors import MIRModelError

TEXT_AFTER_IMAGE = 0.9
"""Share of the text's tokens that must follow the image; in a sentence they are not quite those of the text alone."""


@dataclass(frozen=True)
class Pipeline:
    """A model's own way from an image and a text to a forward pass; give it to ``measure`` as the processor.

    Args:
        run: takes an RGB image and a text and shows both to the model, the text behind the image. Its return value is
            not used; it is ended when the decoder has run over the prompt once.
        tokenizer: the model's tokenizer, by which texts are cut.
        fingerprint: SHA-256 of what the prompt depends on, such as the code of ``run``.
        template: where ``run`` puts the text: ``user_turn``, behind the image in the user's turn; ``chat_template``,
            the assistant's turn of the model's own template; ``plain``, behind the image without any template.
        neither: positions of the decoder's sequence, from 0, that belong to neither modality though no token's
            embedding stands there, such as AlignGPT's align vector at 1.
    """

    run: Callable[[Image.Image, str], Any]
    tokenizer: Any
    fingerprint: str | None = None
    template: Literal["chat_template", "plain", "user_turn"] = "user_turn"
    neither: tuple[int, ...] = ()


class PipelineAdapter(Adapter):
    """Reads the first forward pass that a :class:`Pipeline` starts."""

    family = "own pipeline"
    systems = (
        Systems(
            "any other, by its own input code; lmms-eval models without a processor",
            (),
            "splice, overwrite, in place",
            BY_PROVENANCE,
            STAND_IN,
            PIPELINE,
        ),
    )
    stop_after_prefill = True

    @staticmethod
    def accepts(processor: Any) -> bool:
        """Whether this is a pipeline."""
        return isinstance(processor, Pipeline)

    @property
    def template(self) -> Literal["chat_template", "plain", "user_turn"]:
        """The pipeline's template."""
        template: Literal["chat_template", "plain", "user_turn"] = self.processor.template
        return template

    @property
    def template_sha256(self) -> str | None:
        """The pipeline's fingerprint."""
        fingerprint: str | None = self.processor.fingerprint
        return fingerprint

    def prepare(self, image: Image.Image, text: str, max_text_tokens: int) -> Inputs:
        """See :meth:`Adapter.prepare`; the inputs are the image, the cut text and how many tokens it has."""
        text = self.shown(text, max_text_tokens)
        tokens = len(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return {"image": image, "text": text, "text_tokens": tokens, "max_text_tokens": max_text_tokens}

    def vision_mask(self, inputs: Inputs) -> Tensor | None:
        """None: a pipeline shows no token ids."""
        return None

    def prefill(self, inputs: Inputs) -> None:
        """Run the pipeline.

        Raises:
            MIRModelError: the pipeline failed, or caught what failed in it.
        """
        run_to_first_pass(
            self.model, self.decoder, lambda: self.processor.run(inputs["image"], inputs["text"])
        )

    def split(self, inputs: Inputs, vision: Tensor, attended: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Adapter.split`.

        Raises:
            MIRDataError: the sequence is longer than the model's context.
            MIRModelError: the pipeline put the text before the image, or cut it.
        """
        self.check_length(len(vision), inputs["max_text_tokens"])
        vision = vision.clone()
        vision[list(self.processor.neither)] = False
        vision, text = super().split(inputs, vision, attended)
        if text.sum() < TEXT_AFTER_IMAGE * inputs["text_tokens"]:
            raise MIRModelError(
                f"the model's own input pipeline leaves {int(text.sum())} positions after the image, the text alone "
                f"has {inputs['text_tokens']} tokens: it puts the text before the image or cuts it, so that MIR, "
                "which takes text after the image, cannot be measured through it"
            )
        return vision, text
