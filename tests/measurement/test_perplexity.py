"""The baseline: perplexity of captions given their images."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from lmms_eval.tasks import TaskManager, get_task_dict
from PIL import Image

from mir_task import MIRDataError, MIRModelError, Pair
from mir_task.data import builtin_captions
from mir_task.lmms.task import aggregate, aggregate_and_save
from mir_task.measurement.perplexity import caption_perplexity
from mir_task.result import CaptionPerplexity
from tests.lmms.test_plugin import Model, run


@pytest.fixture(scope="module")
def captions():
    return list(builtin_captions(count=4))


def perplexity(llava, pairs, **settings):
    return caption_perplexity(*llava, pairs, progress=False, **settings)


def test_agrees_with_the_models_own_loss(llava, captions):
    # transformers' own loss, with the caption's tokens found by tokenizing it alone.
    model, processor = llava
    losses, counts = [], []
    for image, text, _ in captions:
        prompt = processor.apply_chat_template(
            [
                {"role": "user", "content": [{"type": "image"}]},
                {"role": "assistant", "content": [{"type": "text", "text": text}]},
            ]
        )
        inputs = processor(text=[prompt], images=[image], return_tensors="pt")
        ids = inputs["input_ids"][0]
        own = processor.tokenizer(" " + text, add_special_tokens=False)["input_ids"]
        (start,) = [i for i in range(len(ids)) if ids[i : i + len(own)].tolist() == own]
        labels = torch.full_like(ids, -100)
        labels[start : start + len(own)] = ids[start : start + len(own)]
        with torch.no_grad():
            losses.append(float(model(**inputs, labels=labels[None]).loss) * len(own))
        counts.append(len(own))
    found = perplexity(llava, captions)
    assert found.tokens == sum(counts)
    assert found.nll == pytest.approx(losses, rel=1e-4)
    assert found.caption_ppl == pytest.approx(math.exp(sum(losses) / sum(counts)), rel=1e-4)


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary(llava, captions):
    model, _ = llava
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()
    found = perplexity(llava, captions)
    assert found.caption_ppl == pytest.approx(model.config.get_text_config().vocab_size, rel=1e-5)
    assert found.standard_error == pytest.approx(0, abs=1e-2)


def test_the_image_matters_and_the_mode_is_put_back(llava, captions):
    model, _ = llava
    model.train()
    plain = [Pair(Image.new("RGB", pair.image.size, "white"), pair.text, pair.id) for pair in captions]
    assert perplexity(llava, plain).caption_ppl != perplexity(llava, captions).caption_ppl
    assert model.training


def test_cut_captions_have_fewer_tokens(llava, captions):
    assert perplexity(llava, captions, max_text_tokens=5).tokens == 5 * len(captions)


def test_bad_input_is_named(llava, captions):
    with pytest.raises(MIRDataError, match="at least 2 pairs, got 1"):
        perplexity(llava, captions[:1])
    with pytest.raises(MIRDataError, match="pair odd: the text is empty"):
        perplexity(llava, [captions[0], Pair(captions[0].image, " ", "odd")])
    with torch.no_grad():
        llava[0].get_output_embeddings().weight.fill_(torch.nan)
    with pytest.raises(MIRModelError, match=rf"pair {captions[0].id}: NaN or Inf in the logits"):
        perplexity(llava, captions)


# The task


def test_task_beside_mir_in_one_run(llava, monkeypatch, tmp_path):
    monkeypatch.setenv("MIR_NUM_PAIRS", "4")
    tasks = get_task_dict(["mir_caption_ppl_builtin", "mir_builtin"], TaskManager())
    task, mir = tasks["mir_caption_ppl_builtin"], tasks["mir_builtin"]
    for each in (task, mir):
        each.build_all_requests()
    _, answers = run(Model(llava), task, mir)
    items = [task.process_results({}, [answer.text]) for answer in answers[:4]]
    values = {name: aggregate([item[name] for item in items]) for name in task.metrics}
    expected = perplexity(llava, builtin_captions(count=4))
    assert values["caption_ppl"] == expected.caption_ppl
    assert values["caption_pairs"] == 4
    assert "mir" in json.loads(answers[4].text)["metrics"]

    args = SimpleNamespace(output_path=str(tmp_path), model="mir_demo", model_args="")
    aggregate_and_save([item["caption_ppl"] for item in items], args, task.config.task, "caption_ppl")
    (file,) = tmp_path.rglob("*_caption_ppl_mir_caption_ppl_builtin.json")
    saved = CaptionPerplexity.model_validate_json(file.read_text())
    assert saved.nll == expected.nll
    assert saved.protocol.task == "mir_caption_ppl_builtin"


def test_a_model_that_does_not_see_is_refused(llava, pairs):
    for parameter in llava[0].model.multi_modal_projector.parameters():
        parameter.data.zero_()
    with pytest.raises(MIRModelError, match="the picture does not reach the model"):
        caption_perplexity(*llava, pairs, progress=False)
