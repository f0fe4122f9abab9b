"""The half of Cambrian-1's connector that works between decoder layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn


class Sampled(NamedTuple):
    """What the connector between decoder layers samples from."""

    features: list[Tensor]
    masks: list[Tensor]
    size: tuple[int, int]
    """Rows and columns of the image's grid of positions."""
    context: Tensor


@contextmanager
def connected(stack: Any, first: int, sampled: Sampled) -> Iterator[None]:
    """Let the connector's samplers work on what their decoder layers put out."""
    start, stride = stack.config.start_of_vision_sampler_layers, stack.config.stride_of_vision_sampler_layers
    after = dict(zip(range(start, len(stack.layers), stride), stack.vision_sampler_layers, strict=False))
    hooks = {layer: _sampling(sampler, first, sampled) for layer, sampler in after.items()}
    handles = [stack.layers[layer].register_forward_hook(hook) for layer, hook in hooks.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _sampling(sampler: nn.Module, first: int, sampled: Sampled) -> Any:
    height, width = sampled.size

    def hook(_layer: nn.Module, _args: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        # Each row of the grid ends with a newline, which the sampler does not see.
        image = hidden[0, first : first + height * (width + 1)].view(height, width + 1, -1)
        queries = image[:, :-1].reshape(height * width, 1, -1)
        rows = sampler(queries, sampled.context, *sampled.features, *sampled.masks)
        image[:, :-1] = rows.view(height, width, -1)  # a view of hidden
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    return hook
