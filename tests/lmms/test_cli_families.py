"""Other families than LLaVA through lmms-eval's own command line."""

import math

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from mir_task import measure
from mir_task.data import local_pairs
from tests.tiny import build

pytestmark = pytest.mark.cli


@pytest.mark.parametrize(
    ("recipe", "model", "settings"),
    [
        ("llava_next", "llava_hf", {}),
        # lmms-eval's class gives the processor other sizes than the checkpoint does.
        ("qwen2_5_vl", "qwen2_5_vl", {"min_pixels": 256 * 28 * 28, "max_pixels": 1605632}),
        ("minicpmv4_6", "huggingface", {}),
    ],
)
def test_family_is_measured_as_it_is_without_lmms_eval(
    recipe, model, settings, lmms_eval_cli, tmp_path, folders
):
    checkpoint = tmp_path / recipe
    try:
        parts = build(recipe)
    except AttributeError as error:
        pytest.skip(f"this transformers has no such class: {error}")
    for part in parts:
        part.save_pretrained(checkpoint)
    images, texts = folders
    environment = {"MIR_IMAGES": str(images), "MIR_TEXTS": str(texts)}
    arguments = f"pretrained={checkpoint},device=cpu,device_map=cpu"
    command = ("--model", model, "--model_args", arguments, "--tasks", "mir_local", "--output_path")
    done = lmms_eval_cli(*command, tmp_path / "out", environment=environment)
    assert "Error during evaluation" not in done.stdout
    result = lmms_eval_cli.results(tmp_path / "out")["mir_local"]
    assert math.isfinite(result["mir,none"])

    loaded = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.bfloat16)
    processor = AutoProcessor.from_pretrained(checkpoint, **settings)
    direct = measure(loaded, processor, local_pairs(images, texts), progress=False)
    assert direct.vision_tokens_per_pair == result["vision_tokens_per_pair,none"]
    assert direct.mir == pytest.approx(result["mir,none"], abs=1e-3)
