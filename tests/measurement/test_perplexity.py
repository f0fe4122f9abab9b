"""The baseline: perplexity of captions given their images."""

import json
import math
from types import SimpleNamespace

import datasets
import pytest
import torch
from lmms_eval.tasks import TaskManager, get_task_dict
from PIL import Image

from mir_task import MIRDataError, MIRModelError, Pair
from mir_task.data import builtin_captions, hub_captions, local_captions, open_image
from mir_task.lmms.task import aggregate, aggregate_and_save
from mir_task.measurement.perplexity import caption_perplexity
from mir_task.result import CaptionPerplexity
from tests.lmms.test_plugin import Model, run


@pytest.fixture(scope="module")
def captions():
    rows = builtin_captions({"MIR_NUM_PAIRS": "4"}).dataset
    return [Pair(open_image(row["image"]), row["text"], row["pair_id"]) for row in rows]


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


# Data


def test_builtin_captions_describe_their_own_image():
    pair_set = builtin_captions({})
    rows = list(pair_set.dataset)
    assert len(rows) == len({row["text"] for row in rows}) == 100
    assert all(row["image"].endswith(f"{row['pair_id']}.jpg") for row in rows)
    chemist = next(row for row in rows if row["pair_id"] == "image_000")
    assert "CHEMIST" in chemist["text"]
    assert pair_set.source["paired"] is True


def test_local_captions_are_paired_by_name(folders):
    images, texts = folders
    environment = {"MIR_IMAGES": str(images), "MIR_TEXTS": str(texts), "MIR_PAIRED": "0"}
    with pytest.raises(MIRDataError, match="8 names have an image or a text but not both"):
        local_captions(environment)


def test_hub_captions_take_the_first_of_each_image(monkeypatch):
    images = [Image.new("RGB", (9, 9), color) for color in ("red", "green", "blue")]
    dataset = datasets.Dataset.from_dict(
        {
            "img_id": ["a", "b", "c"],
            "image": images,
            "caption": [["A one.", "Other."], ["B one."], ["C one."]],
        },
        datasets.Features(
            {
                "img_id": datasets.Value("string"),
                "image": datasets.Image(),
                "caption": datasets.Sequence(datasets.Value("string")),
            }
        ),
    )
    monkeypatch.setattr(datasets, "load_dataset", lambda path, split: dataset)
    pair_set = hub_captions({"path": "some/captions", "split": "test"}, {})
    assert {row["pair_id"]: row["text"] for row in pair_set.dataset} == {
        "a": "A one.",
        "b": "B one.",
        "c": "C one.",
    }
    assert pair_set.source["texts"] == "some/captions test"


def test_without_the_hub_the_message_names_the_other_tasks(monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda **source: 1 / 0)
    with pytest.raises(MIRDataError, match=r"task mir_caption_ppl needs .* mir_caption_ppl_builtin .*_local"):
        hub_captions({"path": "some/captions", "split": "test"}, {})


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
    rows = task.dataset["test"]
    pairs = [Pair(open_image(row["image"]), row["text"], row["pair_id"]) for row in rows]
    expected = perplexity(llava, pairs)
    assert values["caption_ppl"] == expected.caption_ppl
    assert values["caption_pairs"] == 4
    assert "mir" in json.loads(answers[4].text)["metrics"]

    args = SimpleNamespace(output_path=str(tmp_path), model="mir_demo", model_args="")
    aggregate_and_save([item["caption_ppl"] for item in items], args, task.config.task, "caption_ppl")
    (file,) = tmp_path.rglob("*_caption_ppl_mir_caption_ppl_builtin.json")
    saved = CaptionPerplexity.model_validate_json(file.read_text())
    assert saved.nll == expected.nll
    assert saved.protocol.task == "mir_caption_ppl_builtin"
