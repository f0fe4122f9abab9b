"""Weights that are not all in one place, or not all there: device maps, quantisation."""

import pytest
import torch
from transformers import BitsAndBytesConfig, LlavaForConditionalGeneration

from mir_task import measure
from mir_task.adapters import adapter_for
from mir_task.measurement.devices import layer_devices


@pytest.fixture(scope="module")
def whole(shared_llava, pairs):
    return measure(*shared_llava, pairs, progress=False)


def test_layers_that_accelerate_brings_in_one_at_a_time(checkpoint, shared_llava, pairs, whole, tmp_path):
    """As device_map=auto leaves a model that is larger than all devices: hooks move what does not fit."""
    places = {
        "model.vision_tower": "cpu",
        "model.multi_modal_projector": "cpu",
        "model.language_model": "cpu",
        "lm_head": "disk",
        **{f"model.language_model.layers.{layer}": "disk" for layer in (2, 3, 5)},
    }
    places |= {f"model.language_model.{name}": "cpu" for name in ("embed_tokens", "norm", "rotary_emb")}
    places |= {f"model.language_model.layers.{layer}": "cpu" for layer in (0, 1, 4)}
    del places["model.language_model"]
    model = LlavaForConditionalGeneration.from_pretrained(
        checkpoint, device_map=places, offload_folder=tmp_path
    )
    weights = model.model.language_model.layers[3].mlp.down_proj.weight
    assert weights.is_meta
    assert layer_devices(adapter_for(model, shared_llava[1]).decoder) == [torch.device("cpu")] * 6
    result = measure(model, shared_llava[1], pairs, progress=False, resume=tmp_path / "part")
    assert result.mir == pytest.approx(whole.mir, rel=1e-9)


@pytest.mark.parametrize("bits", [8, 4])
def test_quantised_weights(checkpoint, shared_llava, pairs, whole, bits, tmp_path):
    pytest.importorskip("bitsandbytes")
    # On a CPU bitsandbytes' four bits take no widths but multiples of 64.
    skipped = ["lm_head", "model.vision_tower", "model.multi_modal_projector"]
    skipped += ["gate_proj", "up_proj", "down_proj"]
    settings = {f"load_in_{bits}bit": True, "llm_int8_skip_modules": skipped}
    model = LlavaForConditionalGeneration.from_pretrained(
        checkpoint, quantization_config=BitsAndBytesConfig(**settings), device_map="cpu"
    )
    weights = model.model.language_model.layers[3].self_attn.q_proj.weight
    assert not weights.is_floating_point()
    result = measure(model, shared_llava[1], pairs, progress=False, resume=tmp_path / "part")
    # Coarser weights, another number, but of the same model.
    assert result.mir != whole.mir
    assert result.mir == pytest.approx(whole.mir, abs=0.2)
