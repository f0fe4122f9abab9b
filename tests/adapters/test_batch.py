"""Several pairs in one forward pass: each has the rows that it has alone."""

import pytest
import torch

from mir_task import MIRModelError, measure
from mir_task.adapters import ADAPTERS, adapter_for
from mir_task.adapters.prefill import PreparedPair, prefill
from tests.adapters.cases import CASES
from tests.adapters.examples import PAIRS, TEXTS, WIDE

BATCHED = [name for name, case in CASES.items() if ADAPTERS[case.model_type].batched]


@pytest.mark.parametrize("family", BATCHED, indirect=True)
def test_a_batch_of_pairs_gives_the_rows_of_each(adapter):
    # Texts of three lengths, so that two are padded; one image, as images of several sizes may not go together.
    texts = ["Short.", TEXTS[0], "A longer text that takes so many tokens that the two others are padded."]
    pairs = [PreparedPair(text, adapter.prepare(WIDE, text, 1000)) for text in texts]
    assert len({pair.inputs["input_ids"].shape[1] for pair in pairs}) == 3
    passes = []
    with torch.inference_mode():
        alone = [prefill(adapter, [pair], check=True)[0] for pair in pairs]
        handle = adapter.decoder.norm.register_forward_hook(lambda *_: passes.append(1))
        together = prefill(adapter, pairs, check=False)
        handle.remove()
    assert len(passes) == 1
    for expected, rows in zip(alone, together, strict=True):
        for modality in ("vision", "text"):
            expected_layers, layers = getattr(expected, modality), getattr(rows, modality)
            assert layers.keys() == expected_layers.keys()
            for layer, hidden in layers.items():
                torch.testing.assert_close(hidden, expected_layers[layer], rtol=1e-4, atol=1e-5)


# Images of two sizes come as tiles, as patches, and as what cannot be brought together.
@pytest.mark.parametrize("family", ["llava_next", "qwen2_vl", "internvl"], indirect=True)
def test_mir_of_batches_is_that_of_single_pairs(adapter):
    model, processor = adapter.model, adapter.processor
    alone = measure(model, processor, PAIRS, progress=False, batch_size=1)
    batches = measure(model, processor, PAIRS, progress=False, batch_size=3)
    assert (alone.batch_size, batches.batch_size) == (1, 3)
    assert batches.mir == pytest.approx(alone.mir, rel=1e-5)
    assert batches.protocol == alone.protocol


def test_an_error_in_a_batch_names_its_pair(llava):
    adapter = adapter_for(*llava)
    pairs = [PreparedPair(text, adapter.prepare(WIDE, text, 1000)) for text in TEXTS]
    pairs[1].inputs["input_ids"].masked_fill_(adapter.vision_mask(pairs[1].inputs), 0)
    with pytest.raises(MIRModelError, match=f"^pair {TEXTS[1]}: .* no image placeholder"):
        prefill(adapter, pairs, check=False)
