"""Features of the training pictures from the frozen vision tower, computed once for all runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import trange
from transformers import CLIPVisionModel, LlavaProcessor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from mir_task.study.world import Stream, example

FILE = "features.npy"
BATCH = 64
FEATURE_LAYER = -2
"""Index of the features among the tower's hidden states, as in LLaVA-1.5."""


def write_features(vision: Path, processor_folder: Path, stream: Stream, count: int, folder: Path) -> None:
    """Write features of a stream's first ``count`` training pictures, float32 [count, 1 + patches, width].

    The tower is never trained, so its features are the same in every run. Drawing and encoding the pictures again
    would take a quarter of all training time.
    """
    processor = LlavaProcessor.from_pretrained(processor_folder)
    tower = CLIPVisionModel.from_pretrained(vision).eval()
    config = tower.config
    shape = (count, 1 + (config.image_size // config.patch_size) ** 2, config.hidden_size)
    written = np.lib.format.open_memmap(folder / FILE, "w+", np.float32, shape)
    for first in trange(0, count, BATCH, desc=f"features: {stream.name.lower()}", unit="batch"):
        indices = range(first, min(first + BATCH, count))
        images = [example("train", stream, index).image for index in indices]
        pixels = processor.image_processor(images=images, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            states = tower(pixels, output_hidden_states=True).hidden_states
        written[indices.start : indices.stop] = states[FEATURE_LAYER].numpy()
    written.flush()


class Features:
    """Features of a stream's pictures by number, read from disk as they are needed.

    Args:
        folder: filled by :func:`write_features`.
    """

    def __init__(self, folder: Path) -> None:
        self._array = np.load(folder / FILE, mmap_mode="r")

    def __getitem__(self, indices: Sequence[int]) -> Tensor:
        """Features, float32 [len(indices), 1 + patches, width]."""
        return torch.from_numpy(self._array[list(indices)])


@contextmanager
def features_for_pixels(model: Any) -> Iterator[None]:
    """Let a LLaVA take features as ``pixel_values`` inside the block, where its tower would compute them."""
    tower = model.model.vision_tower
    model.model.vision_tower = _PassThroughTower()
    try:
        yield
    finally:
        model.model.vision_tower = tower


class _PassThroughTower(nn.Module):
    """A vision tower whose hidden states are all its input."""

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutputWithPooling:
        return BaseModelOutputWithPooling(
            last_hidden_state=pixel_values, hidden_states=(pixel_values,) * -FEATURE_LAYER
        )
