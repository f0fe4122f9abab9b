"""Checkpoints in the original layout of AlignGPT, against a splice of their raw weights."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from transformers import LlamaForCausalLM, LlavaForConditionalGeneration

from mir_task import measure
from mir_task.adapters import adapter_for
from mir_task.checkpoints import convert, load
from tests.checkpoints import original
from tests.checkpoints.splice import BOS, IMAGE, TEXT, assert_spliced, ids, image_rows

CAPTION = ids(TEXT + "\n")
INDICATORS = original.align_state()["align_indicators.indicator_embs"]


def test_stage_1_is_a_family_of_eight(llm, tower, tmp_path):
    loaded = load(original.save_align1(tmp_path / "run", llm, tower), str(llm))
    assert list(loaded.variants) == [f"align_level_{level}" for level in range(8)]
    for level, processor in enumerate(loaded.variants.values()):
        vector = INDICATORS[level : level + 1]
        assert_spliced(loaded.model, processor, BOS, vector, image_rows(tower), CAPTION, llm=llm)


def test_stage_1_of_one_level_is_converted_to_an_ordinary_llava(llm, tower, tmp_path):
    stage1 = original.save_align1(tmp_path / "run", llm, tower)
    converted = convert(stage1, tmp_path / "converted", base_llm=str(llm), align_level=3)
    model = LlavaForConditionalGeneration.from_pretrained(converted).eval()
    processor = load(converted).processor
    assert_spliced(model, processor, BOS, INDICATORS[3:4], image_rows(tower), CAPTION, llm=llm)


def test_a_converted_stage_1_takes_another_level(llm, tower, tmp_path):
    stage1 = original.save_align1(tmp_path / "run", llm, tower)
    converted = convert(stage1, tmp_path / "converted", base_llm=str(llm), align_level=3)
    other = load(converted, align_level=5)
    rows = image_rows(tower)
    assert_spliced(other.model, other.processor, BOS, INDICATORS[5:6], rows, CAPTION, llm=llm)


def align_vector(rows, tokens):
    """The paper's formula: dots with the mean text embedding, two layers, softmax, sum w_i E[i] + E[7]."""
    state = original.align_state(gate=True)
    indicators = state["align_indicators.indicator_embs"]
    first, first_bias, second, second_bias = (
        state[f"gated_weight_layer.mlp.{name}"] for name in ("0.weight", "0.bias", "2.weight", "2.bias")
    )
    hidden = F.gelu(F.linear(rows @ tokens.mean(0), first, first_bias))
    weights = F.linear(hidden, second, second_bias).softmax(0)
    assert weights.max() < 0.99  # all indicators count, so that a wrong one would show
    return (weights @ indicators[:7] + indicators[7])[None]


@pytest.mark.parametrize("conversation", ["plain", "vicuna_v1"])
def test_stage_2_computes_its_gate(llm, tower, tmp_path, conversation):
    stage2 = original.save_align2(tmp_path / "run", llm, tower)
    loaded = load(stage2, conversation=conversation)
    inputs = adapter_for(loaded.model, loaded.processor).prepare(IMAGE, TEXT, 1024)["input_ids"][0].tolist()
    start = inputs.index(loaded.model.config.image_token_index)
    before, after = inputs[2:start], inputs[start + original.ROWS :]
    assert inputs[:2] == [*BOS, loaded.model.config.align_token_index]
    if conversation == "plain":
        assert (before, after) == ([], CAPTION)
    else:
        assert before
    table = LlamaForCausalLM.from_pretrained(llm).model.embed_tokens.weight.detach()
    rows = image_rows(tower)
    vector = align_vector(rows, table[before + after])
    pieces = (BOS, vector, table[before], rows, after)
    assert_spliced(loaded.model, loaded.processor, *pieces, llm=llm)
    again = load(convert(stage2, tmp_path / "converted", conversation=conversation))
    assert_spliced(again.model, again.processor, *pieces, llm=llm)


@pytest.fixture
def stage_2(llm, tower, tmp_path):
    """A loaded stage 2, and two prompts of different lengths for it."""
    loaded = load(original.save_align2(tmp_path / "run", llm, tower), conversation="plain")
    return loaded.model, loaded.processor, [f"<align><image>{text}" for text in ("Short.", TEXT)]


@pytest.mark.parametrize("side", ["left", "right"])
def test_gate_ignores_padding(stage_2, side):
    model, processor, prompts = stage_2
    processor.tokenizer.padding_side = side
    batch = processor(text=prompts, images=[IMAGE, IMAGE], return_tensors="pt", padding=True)
    last = batch["attention_mask"].cumsum(1).argmax(1)
    with torch.no_grad():
        together = model(**batch).logits
        for index, prompt in enumerate(prompts):
            alone = model(**processor(text=[prompt], images=[IMAGE], return_tensors="pt")).logits[0, -1]
            assert torch.allclose(together[index, last[index]], alone, atol=1e-4)


def test_stage_2_generates(stage_2):
    model, processor, (prompt, _) = stage_2
    inputs = processor(text=[prompt], images=[IMAGE], return_tensors="pt")
    generated = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    assert generated.shape[1] == inputs["input_ids"].shape[1] + 4
    with torch.no_grad():
        assert generated[0, -4] == model(**inputs).logits[0, -1].argmax()


@pytest.mark.parametrize(
    ("save", "needs_llm"),
    [
        pytest.param(original.save_align1, True, id="stage 1"),
        pytest.param(original.save_align2, False, id="stage 2"),
    ],
)
def test_align_vector_belongs_to_neither_modality(llm, tower, tmp_path, save, needs_llm, pairs):
    run = save(tmp_path / "run", llm, tower)
    loaded = load(run, str(llm) if needs_llm else None, conversation="plain")
    # On the first pair, provenance is compared with ids: an align row taken for vision would be an error.
    result = measure(loaded.model, loaded.processor, pairs, progress=False, max_text_tokens=100)
    # Texts are cut to 100 tokens, and a newline follows.
    assert (result.vision_tokens_per_pair, result.text_tokens_per_pair) == (original.ROWS, 101)
