"""LLaVA with what transformers' own class cannot express: projectors of other depths, and AlignGPT's gate.

Importing this module makes transformers' Auto classes know them (model type ``llava_pretrain``).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaModel,
)

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
        self.alignment = Alignment(width, *gate) if gate else None
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
        """As LLaVA's; where there is a gate, its align vector replaces the placeholder."""
        if self.alignment is not None and input_ids is not None and pixel_values is not None:
            inputs_embeds = self._aligned(input_ids, pixel_values, attention_mask)
            input_ids = pixel_values = None
        return super().forward(
            input_ids=input_ids,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )

    def _aligned(self, input_ids: Tensor, pixel_values: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Input embeddings [batch, sequence, d]: tokens, image rows and align vectors each in their places."""
        alignment: Any = self.alignment
        is_image = input_ids.eq(self.config.image_token_index)
        is_align = input_ids.eq(self.config.align_token_index)
        attended = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        features = self.get_image_features(
            pixel_values=pixel_values,
            vision_feature_layer=self.config.vision_feature_layer,
            vision_feature_select_strategy=self.config.vision_feature_select_strategy,
        )
        rows = torch.cat(list(getattr(features, "pooler_output", features)), dim=0)
        rows = rows.reshape(-1, rows.shape[-1])
        counts = is_image.sum(1)
        if counts.ne(alignment.image_rows).any():
            raise MIRModelError(
                f"AlignGPT's gate looks at {alignment.image_rows} image rows a sequence, the input has "
                f"{counts.tolist()}: one image of the size it was trained with, in every sequence"
            )
        if is_align.sum(1).ne(1).any():
            raise MIRModelError(
                f"AlignGPT takes one align placeholder (id {self.config.align_token_index}) a sequence, the input has "
                f"{is_align.sum(1).tolist()}; the processor's chat template writes it"
            )
        embedding = self.get_input_embeddings()
        # The text's mean: without the first token (BOS), padding, image and align placeholders.
        first = attended.bool().int().cumsum(1).eq(1) & attended.bool()
        is_text = attended.bool() & ~first & ~is_image & ~is_align
        tokens = embedding(input_ids)
        rows = rows.to(tokens.device, tokens.dtype)
        vector = alignment(rows.reshape(len(counts), -1, rows.shape[-1]), tokens, is_text)
        embeds: Tensor = embedding(input_ids, vector)
        return embeds.masked_scatter(is_image.unsqueeze(-1), rows)


class LlavaPretrainForConditionalGeneration(LlavaForConditionalGeneration):  # type: ignore[misc]
    """LLaVA on :class:`LlavaPretrainModel`."""

    config_class = LlavaPretrainConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = LlavaPretrainModel(config)
        self.post_init()


class Alignment(nn.Module):
    """AlignGPT's indicators and gate (arXiv 2405.14129, stage 2).

    Args:
        width: of the hidden states.
        image_rows: how many rows an image has.
        hidden: width inside the gate.
        levels: of local alignment; one more indicator is global.
    """

    def __init__(self, width: int, image_rows: int, hidden: int, levels: int) -> None:
        super().__init__()
        self.image_rows = image_rows
        self.indicators = nn.Parameter(torch.empty(levels + 1, width))
        self.gate = nn.Sequential(nn.Linear(image_rows, hidden), nn.GELU(), nn.Linear(hidden, levels))

    def forward(self, images: Tensor, tokens: Tensor, is_text: Tensor) -> Tensor:
        """The align vector [batch, d] of image rows [batch, n, d] and token rows [batch, sequence, d]."""
        text = is_text.unsqueeze(-1).to(tokens.dtype)
        # 1e-8 as in the original.
        mean = (tokens * text).sum(1) / (text.sum(1) + 1e-8)
        weights: Tensor = self.gate((images * mean.unsqueeze(1)).sum(-1)).softmax(-1)
        return weights @ self.indicators[:-1] + self.indicators[-1]


class AlignEmbedding(nn.Embedding):
    """A token embedding that emits the align vector at its placeholder.

    So the vector counts as what a token embedding emitted, not as a row of an image.
    """

    def __init__(self, tokens: nn.Embedding, align_id: int) -> None:
        super().__init__(tokens.num_embeddings, tokens.embedding_dim, tokens.padding_idx, device="meta")
        self.weight = tokens.weight
        self.align_id = align_id

    def forward(self, input: Tensor, align: Tensor | None = None) -> Tensor:
        """Rows [batch, sequence, d] of ids [batch, sequence], with ``align`` [batch, d] at the placeholders."""
        rows = super().forward(input)
        if align is None:
            return rows
        return torch.where(input.eq(self.align_id).unsqueeze(-1), align.unsqueeze(1).to(rows.dtype), rows)


AutoConfig.register(LlavaPretrainConfig.model_type, LlavaPretrainConfig, exist_ok=True)
AutoModelForImageTextToText.register(
    LlavaPretrainConfig, LlavaPretrainForConditionalGeneration, exist_ok=True
)
