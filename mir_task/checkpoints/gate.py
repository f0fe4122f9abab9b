"""AlignGPT's gate of stage 2 (arXiv 2405.14129): the modules that make its align vector and put it in its place."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AlignGate(nn.Module):
    """AlignGPT's indicators and the gate that weighs them.

    Args:
        width: d of the hidden states.
        image_rows: how many rows an image has.
        hidden: width inside the gate.
        levels: indicators of local alignment; one more is global.
    """

    def __init__(self, width: int, image_rows: int, hidden: int, levels: int) -> None:
        super().__init__()
        self.image_rows = image_rows
        self.indicators = nn.Parameter(torch.empty(levels + 1, width))
        self.gate = nn.Sequential(nn.Linear(image_rows, hidden), nn.GELU(), nn.Linear(hidden, levels))

    def forward(self, images: Tensor, tokens: Tensor, is_text: Tensor) -> Tensor:
        """Compute the align vectors of a batch.

        Args:
            images: [batch, image rows, d].
            tokens: token embeddings, [batch, sequence, d].
            is_text: [batch, sequence] bool, the tokens over which the text's mean is taken.

        Returns:
            [batch, d].
        """
        text = is_text.unsqueeze(-1).to(tokens.dtype)
        # 1e-8 as in the original.
        mean = (tokens * text).sum(1) / (text.sum(1) + 1e-8)
        weights: Tensor = self.gate((images * mean.unsqueeze(1)).sum(-1)).softmax(-1)
        return weights @ self.indicators[:-1] + self.indicators[-1]


class AlignEmbedding(nn.Embedding):
    """A token embedding that emits the align vector at its placeholder.

    So the vector counts as what a token embedding emitted, not as a row of an image.

    Args:
        tokens: the model's token embedding, whose weight becomes this one's.
        align_id: the placeholder's token id.
    """

    def __init__(self, tokens: nn.Embedding, align_id: int) -> None:
        super().__init__(tokens.num_embeddings, tokens.embedding_dim, tokens.padding_idx, device="meta")
        self.weight = tokens.weight
        self.align_id = align_id

    def forward(self, input: Tensor, align: Tensor | None = None) -> Tensor:
        """Embed ids [batch, sequence] as rows [batch, sequence, d], with ``align`` [batch, d] at placeholders."""
        rows = super().forward(input)
        if align is None:
            return rows
        return torch.where(input.eq(self.align_id).unsqueeze(-1), align.unsqueeze(1).to(rows.dtype), rows)
