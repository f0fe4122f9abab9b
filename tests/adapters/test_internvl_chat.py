"""InternVL's remote code, with and without tiles."""

import numpy as np
import pytest
import torch
from PIL import Image

from mir_task import MIRModelError, measure
from mir_task.adapters import adapter_for
from tests.adapters.examples import IMAGES, PAIRS
from tests.adapters.stand_ins import ROWS, TOKENIZER, InternVLChatModel

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def with_config(remove=(), **settings):
    model = InternVLChatModel()
    model.config.update(settings)
    for name in remove:
        delattr(model.config, name)
    return model


@pytest.mark.parametrize(
    "model",
    [
        with_config(dynamic_image_size=False),
        with_config(dynamic_image_size=False, use_thumbnail=False),
        with_config(remove=("dynamic_image_size", "use_thumbnail", "max_dynamic_patch")),
    ],
    ids=["tiling off", "and no thumbnail", "V1-1, which knows neither"],
)
def test_without_tiling_the_whole_image_is_resized(model):
    inputs = adapter_for(model, TOKENIZER).prepare(IMAGES[1], "A ferry.", 100)
    pixels = np.asarray(IMAGES[1].resize((28, 28), Image.Resampling.BICUBIC)) / 255
    expected = torch.tensor(((pixels - MEAN) / STD).transpose(2, 0, 1)[None])
    torch.testing.assert_close(inputs["pixel_values"].double(), expected, rtol=0, atol=1e-6)
    assert measure(model, TOKENIZER, PAIRS, progress=False).vision_tokens_per_pair == ROWS


def test_tiles_without_a_thumbnail_are_refused():
    model = with_config(dynamic_image_size=True, use_thumbnail=False)
    with pytest.raises(MIRModelError, match="without a thumbnail beside its tiles"):
        measure(model, TOKENIZER, PAIRS, progress=False)
