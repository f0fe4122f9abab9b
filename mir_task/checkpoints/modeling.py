"""LLaVA with what transformers' own class cannot express: projectors of other depths, and AlignGPT's gate.

Importing this module makes transformers' Auto classes know them (model type ``llava_pretrain``).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaModel,
)

from mir_task.checkpoints.gate import AlignEmbedding, AlignGate
from mir_task.checkpoints.projector import DeepProjector
from mir_task.errors import MIRModelError


class LlavaPretrainConfig(LlavaConfig):  # type: ignore[misc]
    """LLaVA's config with up to three more entries.

    ``projector_depth``: linear layers of the projector, 2 if absent. ``align_gate``: widths of AlignGPT's gate,
    [image rows, hidden, indicators - 1]. ``align_token_index``: the placeholder that its align vector replaces.
    """

    model_type = "llava_pretrain"


class LlavaPretrainModel(LlavaModel):  # type: ignore[misc]
    """LLaVA without LM head, with a projector of any depth and, if the config says so, AlignGPT's gate."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        width = config.text_config.hidden_size
        depth = getattr(config, "projector_depth", 2)
        if depth != 2:
            self.multi_modal_projector = DeepProjector(config.vision_config.hidden_size, width, depth)
        gate = getattr(config, "align_gate", None)
        # The attribute's name is part of saved checkpoints.
        self.alignment = AlignGate(width, *gate) if gate else None
        if gate:
            self.add_align_rows()
        self.post_init()

    def add_align_rows(self) -> None:
        """Let the token embedding emit align vectors; its weight stays the very same parameter."""
        self.set_input_embeddings(AlignEmbedding(self.get_input_embeddings(), self.config.align_token_index))

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run LLaVA's forward; where there is a gate, its align vector replaces the placeholder."""
        if self.alignment is not None and input_ids is not None and pixel_values is not None:
            inputs_embeds = self._embed(input_ids, pixel_values, attention_mask)
            input_ids = pixel_values = None
        return super().forward(
            input_ids=input_ids,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )

    def _embed(self, input_ids: Tensor, pixel_values: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Embed tokens, image rows and align vectors, each in their places: [batch, sequence, d]."""
        is_image = input_ids.eq(self.config.image_token_index)
        is_align = input_ids.eq(self.config.align_token_index)
        self._check_counts(is_image.sum(1), is_align.sum(1))
        attended = (torch.ones_like(input_ids) if attention_mask is None else attention_mask).bool()
        # The text's mean: without the first token (BOS), padding, image and align placeholders.
        first = attended.int().cumsum(1).eq(1) & attended
        is_text = attended & ~first & ~is_image & ~is_align
        embedding: Any = self.get_input_embeddings()
        tokens = embedding(input_ids)
        rows = self._image_rows(pixel_values).to(tokens.device, tokens.dtype)
        gate: Any = self.alignment
        vector = gate(rows.reshape(len(input_ids), -1, rows.shape[-1]), tokens, is_text)
        embeds: Tensor = embedding(input_ids, vector)
        return embeds.masked_scatter(is_image.unsqueeze(-1), rows)

    def _check_counts(self, images: Tensor, aligns: Tensor) -> None:
        """Check that each sequence has the gate's image rows and one align vector; counts are [batch]."""
        gate: Any = self.alignment
        if images.ne(gate.image_rows).any():
            raise MIRModelError(
                f"AlignGPT's gate looks at {gate.image_rows} image rows a sequence, the input has "
                f"{images.tolist()}: one image of the size it was trained with, in every sequence"
            )
        if aligns.ne(1).any():
            raise MIRModelError(
                f"AlignGPT takes one align placeholder (id {self.config.align_token_index}) a sequence, the input has "
                f"{aligns.tolist()}; the processor's chat template writes it"
            )

    def _image_rows(self, pixel_values: Tensor) -> Tensor:
        """Rows of all images, [images * rows, d]."""
        features = self.get_image_features(
            pixel_values=pixel_values,
            vision_feature_layer=self.config.vision_feature_layer,
            vision_feature_select_strategy=self.config.vision_feature_select_strategy,
        )
        rows = torch.cat(list(getattr(features, "pooler_output", features)), dim=0)
        return rows.reshape(-1, rows.shape[-1])


class LlavaPretrainForConditionalGeneration(LlavaForConditionalGeneration):  # type: ignore[misc]
    """LLaVA on :class:`LlavaPretrainModel`."""

    config_class = LlavaPretrainConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = LlavaPretrainModel(config)
        self.post_init()


AutoConfig.register(LlavaPretrainConfig.model_type, LlavaPretrainConfig, exist_ok=True)
AutoModelForImageTextToText.register(
    LlavaPretrainConfig, LlavaPretrainForConditionalGeneration, exist_ok=True
)
