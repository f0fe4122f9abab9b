"""Connectors of vision and language: linear, MLPs of several depths, a Q-Former; and LLaVA with any of them."""

from __future__ import annotations

from itertools import chain
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from transformers import Blip2QFormerConfig, Blip2QFormerModel, LlavaConfig, LlavaForConditionalGeneration

Connector = Literal["mlp1", "mlp2", "mlp4", "qformer"]
NATIVE: Connector = "mlp2"
"""Connector of transformers' own LLaVA."""
QFORMER_GRID = 2
"""Side in patches of the square that one query of a Q-Former stands for."""


class ConnectorLlava(LlavaForConditionalGeneration):  # type: ignore[misc]
    """LLaVA with the connector that ``config.connector`` names."""

    def __init__(self, config: LlavaConfig) -> None:
        super().__init__(config)
        if getattr(config, "connector", NATIVE) != NATIVE:
            self.model.multi_modal_projector = build_connector(config)


def llava_class(config: LlavaConfig) -> type[Any]:
    """Transformers' own class where it has this connector, so that its checkpoints load everywhere."""
    connector = getattr(config, "connector", NATIVE)
    return cast(type[Any], LlavaForConditionalGeneration if connector == NATIVE else ConnectorLlava)


def build_connector(config: LlavaConfig) -> nn.Module:
    """A connector with new weights; ``mlp1`` is a single linear layer, as LLaVA names it."""
    vision, text = config.vision_config, config.text_config
    if config.connector == "qformer":
        side = vision.image_size // vision.patch_size // QFORMER_GRID
        return QFormerConnector(vision.hidden_size, text.hidden_size, side * side)
    depth = int(config.connector.removeprefix("mlp"))
    deeper = [(nn.GELU(), nn.Linear(text.hidden_size, text.hidden_size)) for _ in range(depth - 1)]
    return nn.Sequential(nn.Linear(vision.hidden_size, text.hidden_size), *chain(*deeper))


def scale_output(connector: nn.Module, factor: float) -> None:
    """Scale a connector's output by the weights of its last layer."""
    last = [module for module in connector.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(factor)
        if last.bias is not None:
            last.bias.mul_(factor)


class QFormerConnector(nn.Module):
    """BLIP-2's Q-Former: learnt queries that attend to the patches, and a linear layer.

    Args:
        vision_size: width of the patches' features.
        text_size: width of the language model.
        queries: vision tokens that come out.
    """

    def __init__(self, vision_size: int, text_size: int, queries: int) -> None:
        super().__init__()
        config = Blip2QFormerConfig(
            hidden_size=vision_size,
            encoder_hidden_size=vision_size,
            intermediate_size=4 * vision_size,
            num_hidden_layers=2,
            num_attention_heads=4,
            cross_attention_frequency=1,
            hidden_dropout_prob=0.0,  # as in the rest of the model
            attention_probs_dropout_prob=0.0,
        )
        self.queries = nn.Parameter(torch.randn(1, queries, vision_size) * config.initializer_range)
        self.qformer = Blip2QFormerModel(config)
        self.linear = nn.Linear(vision_size, text_size)

    def forward(self, patches: Tensor) -> Tensor:
        """[batch, patches, vision_size] to [batch, queries, text_size]."""
        queries = self.queries.expand(len(patches), -1, -1)
        out = self.qformer(query_embeds=queries, encoder_hidden_states=patches).last_hidden_state
        return cast(Tensor, self.linear(out))
