"""No number without sight: a model that sees nothing of the picture is refused."""

import pytest
import torch
from PIL import Image

from mir_task import MIRModelError, measure
from mir_task.adapters import Pipeline, adapter_for
from mir_task.adapters.sight import check_sight, other_picture


def look(model, processor, pair):
    with torch.inference_mode():
        check_sight(adapter_for(model, processor), pair.image.convert("RGB"), pair.text, 50)


def test_a_healthy_model_sees(llava, pairs):
    look(*llava, pairs[0])


def test_a_connector_of_zeros_is_refused_with_what_the_model_was_handed(llava, pairs):
    model, processor = llava
    for parameter in model.model.multi_modal_projector.parameters():
        parameter.data.zero_()
    with pytest.raises(MIRModelError, match="the picture does not reach the model") as refused:
        measure(model, processor, pairs, progress=False)
    message = str(refused.value)
    assert message.startswith(f"pair {pairs[0].id}: LlavaForConditionalGeneration: ")
    # The pictures came as far as the model, so the fault is in it.
    assert "pixel_values [1, 3, 112, 112] float32 (different for them)" in message
    assert "input_ids" in message and "(the same for both)" in message


def test_a_dead_tower_is_refused(llava, pairs):
    model, processor = llava
    for parameter in model.model.vision_tower.parameters():
        parameter.data.zero_()
    with pytest.raises(MIRModelError, match="the picture does not reach the model"):
        look(model, processor, pairs[0])


def test_noise_is_not_taken_for_sight(llava, pairs):
    model, processor = llava
    projector = model.model.multi_modal_projector
    for parameter in projector.parameters():
        parameter.data.zero_()
    handle = projector.register_forward_hook(
        lambda _module, _args, rows: rows + 1e-3 * torch.randn_like(rows)
    )
    try:
        with pytest.raises(MIRModelError, match="the picture does not reach the model"):
            look(model, processor, pairs[0])
    finally:
        handle.remove()


def test_a_pipeline_that_shows_another_picture_is_refused(llava, pairs):
    """As a class does that takes videos only, catches its own failure on a picture and goes on with black frames."""
    model, processor = llava
    adapter = adapter_for(model, processor)

    def run(image, text):
        adapter.prefill(adapter.prepare(Image.new("RGB", image.size), text, 1024))

    with pytest.raises(
        MIRModelError, match=r"does not reach the model: .* image \(the pictures themselves, RGB\)"
    ):
        measure(model, Pipeline(run, processor.tokenizer), pairs, progress=False)


def test_a_processor_that_drops_the_picture_is_named_by_its_output(llava, pairs):
    model, processor = llava
    original = processor.image_processor

    class Dropping(type(original)):
        def __call__(self, images, **kwargs):
            return super().__call__([Image.new("RGB", (112, 112))] * len(images), **kwargs)

    processor.image_processor = Dropping(**original.to_dict())
    try:
        with pytest.raises(
            MIRModelError, match=r"pixel_values \[1, 3, 112, 112\] float32 \(the same for both\)"
        ):
            look(model, processor, pairs[0])
    finally:
        processor.image_processor = original


def test_every_value_of_the_other_picture_differs(pairs):
    for image in (pairs[0].image.convert("RGB"), Image.new("RGB", (9, 5), (127, 128, 255))):
        other = other_picture(image)
        assert other.size == image.size
        assert all(abs(a - b) == 128 for a, b in zip(image.tobytes(), other.tobytes(), strict=True))


def test_looking_leaves_no_hooks(llava, pairs):
    model, _ = llava
    before = [(len(module._forward_pre_hooks), len(module._forward_hooks)) for module in model.modules()]
    look(*llava, pairs[0])
    after = [(len(module._forward_pre_hooks), len(module._forward_hooks)) for module in model.modules()]
    assert after == before
