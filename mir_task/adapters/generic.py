"""Adapters for any model with a token embedding and a decoder stack, whose family need not be known."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from mir_task.adapters.base import Adapter, Inputs
from mir_task.adapters.decoder import text_config
from mir_task.adapters.systems import BY_ID, BY_PROVENANCE, NATIVE, STAND_IN, Systems


class GenericAdapter(Adapter):
    """Takes for vision what enters the decoder and is no token's embedding.

    A placeholder id, where there is one, must agree.
    """

    family = "generic"
    systems: ClassVar[tuple[Systems, ...]] = (
        Systems(
            "GLM-4.1V, Idefics2, PaliGemma, Gemma 3, Mistral 3, ViP-LLaVA, DeepSeek-VL",
            ("glm4v", "idefics2", "paligemma", "gemma3", "mistral3", "vipllava", "deepseek_vl"),
            "scatter",
            BY_ID,
            NATIVE,
        ),
        Systems(
            "Idefics3, SmolVLM, Aya Vision",
            ("idefics3", "smolvlm", "aya_vision"),
            "scatter, tiles",
            BY_ID,
            NATIVE,
        ),
        Systems("any other that has a processor", (), "scatter, splice, overwrite", BY_PROVENANCE, STAND_IN),
    )

    def vision_mask(self, inputs: Inputs) -> Tensor | None:
        """See :meth:`Adapter.vision_mask`; None also where the config names no placeholder or the input holds none."""
        if self.image_id is None or not inputs["input_ids"].eq(self.image_id).any():
            return None
        return super().vision_mask(inputs)

    def prefill(self, inputs: Inputs) -> None:
        """See :meth:`Adapter.prefill`.

        An encoder-decoder (BLIP-2 with T5) is read in its encoder, where vision enters; its decoder runs on one token.
        """
        config = text_config(self.model)
        if getattr(config, "is_encoder_decoder", False):
            start = torch.full((1, 1), config.decoder_start_token_id, device=self.device)
            inputs = {**inputs, "decoder_input_ids": start}
        super().prefill(inputs)


class ImageFirstAdapter(GenericAdapter):
    """Models whose processors put the image's placeholders before the text by themselves."""

    family = "generic"
    systems = (
        Systems("BLIP-2, InstructBLIP", ("blip-2", "instructblip"), "scatter of queries", BY_ID, NATIVE),
        Systems("Fuyu", ("fuyu",), "scatter of linear patches", BY_ID, NATIVE),
    )
    image_prompt = ""
