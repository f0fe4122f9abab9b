import math

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import LlamaForCausalLM, LlavaForConditionalGeneration, LlavaProcessor

from mir_task import MIRModelError, Pair, measure
from mir_task.study import baselines
from mir_task.study.captions import caption
from mir_task.study.chat import IGNORED, batch_of, chat_text
from mir_task.study.connectors import ConnectorLlava, scale_output
from mir_task.study.experiments import PAPER, Pretraining, Run, members, runs
from mir_task.study.features import features_for_pixels
from mir_task.study.finetune import train_stage_two
from mir_task.study.model import assemble, load, save
from mir_task.study.picture import IMAGE_SIZE
from mir_task.study.pretrain import train_stage_one
from mir_task.study.scales import FULL, SCALES
from mir_task.study.training import Recipe, final_loss, train, training_seconds
from mir_task.study.world import Stream, example
from tests.study.conftest import TINY

CONNECTORS = PAPER["connector"].variants


def stage_one(model, processor, features, seed=0, **changes):
    return train_stage_one(
        model, processor, features[Stream.CAPTIONS], Run(Pretraining(**changes), seed), TINY
    )


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module, before):
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


def test_stage_zero_learns(stage_zero):
    language, vision = (pd.read_csv(folder / "curve.csv") for folder in stage_zero)
    vocabulary = len(LlavaProcessor.from_pretrained(stage_zero.language).tokenizer)
    assert language["loss"][0] > 0.95 * math.log(vocabulary)
    assert final_loss(language) < 0.8 * math.log(vocabulary)
    # Pictures and captions in batches of 32, none told apart: log(32).
    assert final_loss(vision) < math.log(32) - 0.02


def test_train_follows_the_schedule_and_clips():
    weight = torch.nn.Parameter(torch.tensor([10.0]))
    recipe = Recipe(0.1, warmup=0.2, schedule="cosine")
    curve = train(lambda _: (weight**2).sum(), [weight], recipe, 20, "test")
    peak = [0.1 * min(1, step / 4) for step in range(4)]
    decay = [0.05 * (1 + math.cos(math.pi * step / 16)) for step in range(16)]
    assert curve["learning_rate"].tolist() == pytest.approx([*peak, *decay])
    assert curve["loss"].iloc[-1] < curve["loss"].iloc[0] == 100
    assert curve["gradient_norm"][0] == pytest.approx(20)
    assert final_loss(curve) == pytest.approx(curve["loss"].tail(2).mean())


def test_a_loss_that_is_no_number_is_an_error():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    with pytest.raises(MIRModelError, match="test: the loss is nan at step 1"):
        train(lambda _: weight.sum() * math.nan, [weight], Recipe(0.1), 3, "test")


def test_labels_are_the_answers(stage_zero):
    processor = LlavaProcessor.from_pretrained(stage_zero.language)
    image = example("train", Stream.VISION, 0).image
    texts = [
        chat_text(processor, [("What?", "a red star"), ("Where?\nNow?", "upper left")], images=1),
        chat_text(processor, [("", "A circle.")], images=1),
    ]
    batch = batch_of(processor, texts, [image, image])
    told = [
        processor.tokenizer.decode([token for token in row if token != IGNORED])
        for row in batch["labels"].tolist()
    ]
    assert told == [" a red star</s> upper left</s>", " A circle.</s>"]
    # As the processor itself does it, which is what lmms-eval and mir_task call.
    own = processor(text=texts, images=[image, image], return_tensors="pt", padding=True)
    assert torch.equal(batch["input_ids"], own["input_ids"])
    assert torch.equal(batch["pixel_values"], own["pixel_values"])
    seen = batch["labels"] != IGNORED
    assert torch.equal(batch["labels"][seen], batch["input_ids"][seen])


@pytest.mark.parametrize("variant", CONNECTORS)
def test_checkpoints_of_every_connector_load_and_can_be_measured(stage_zero, features, tmp_path, variant):
    model, processor = assemble(*stage_zero, **CONNECTORS[variant], seed=0)
    before = weights(model)
    curve = stage_one(model, processor, features, data=2.0, unlocked="all")
    assert curve["loss"].tail(3).mean() < curve["loss"].head(3).mean()
    connector = {name for name in before if "multi_modal_projector" in name}
    assert connector and connector <= changed(model, before)
    save(model, processor, tmp_path)
    again, processor = load(tmp_path)
    assert weights(model).keys() == weights(again).keys() and not changed(again, weights(model))
    assert type(again) is (LlavaForConditionalGeneration if variant == "mlp2" else ConnectorLlava)
    pairs = [
        Pair(example("heldout", Stream.TASKS, index).image, "Two red circles. " * 9) for index in range(12)
    ]
    result = measure(again, processor, pairs, progress=False)
    assert math.isfinite(result.mir)
    side = IMAGE_SIZE // TINY.vision.patch_size
    assert result.vision_tokens_per_pair == (side * side / 4 if variant == "qformer" else side * side)


def test_features_stand_for_pixels_exactly(stage_zero, features):
    model, processor = assemble(*stage_zero, "mlp2", seed=0)
    texts = [chat_text(processor, [("What?", "a red star")], images=1)] * 3
    images = [example("train", Stream.CAPTIONS, index).image for index in (5, 0, 33)]
    live = model.eval()(**batch_of(processor, texts, images)).logits
    with features_for_pixels(model):
        stored = model(**batch_of(processor, texts, features[Stream.CAPTIONS][[5, 0, 33]])).logits
    torch.testing.assert_close(stored, live, rtol=1e-5, atol=1e-5)
    assert torch.equal(model(**batch_of(processor, texts, images)).logits, live)  # the tower is back


def test_language_model_of_stage_zero_is_that_of_the_llava(stage_zero):
    model, processor = assemble(*stage_zero, "mlp2", seed=0)
    ids = processor.tokenizer("A red circle is at the upper left.", return_tensors="pt")["input_ids"]
    alone = LlamaForCausalLM.from_pretrained(stage_zero.language)
    with torch.inference_mode():
        assert torch.equal(model.eval()(input_ids=ids).logits, alone.eval()(input_ids=ids).logits)


@pytest.mark.parametrize("part", PAPER["unlocked part"].variants)
def test_stage_one_trains_the_unlocked_part_alone(stage_zero, features, part):
    model, processor = assemble(*stage_zero, "mlp2", seed=0)
    names, before = list(model.state_dict()), weights(model)
    stage_one(model, processor, features, unlocked=part)
    assert list(model.state_dict()) == names  # no adapter is left
    layers = {
        name.split("layers.")[1][0] for name in changed(model, before) if "language_model.layers" in name
    }
    everything = changed(model, before)
    assert any("multi_modal_projector" in name for name in everything)
    assert not any("vision_tower" in name for name in everything)
    assert layers == {"none": set(), "half": {"0"}, "lora": set("012"), "all": set("012")}[part]
    assert ("lm_head.weight" in everything) == (part == "all")
    if part == "lora":
        assert {name.split(".")[-2] for name in everything if "layers" in name} == {
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
        }


def test_stopping_early_is_a_beginning_of_the_whole(stage_zero, features):
    curves = [
        stage_one(*assemble(*stage_zero, "mlp2", seed=0), features, stop=stop)[["loss", "learning_rate"]]
        for stop in (0.5, 1)
    ]
    assert len(curves[0]) == 2 and len(curves[1]) == 4
    pd.testing.assert_frame_equal(curves[0], curves[1].head(2))


def test_seeds_differ_and_repeat(stage_zero, features):
    losses = [
        stage_one(*assemble(*stage_zero, "mlp2", seed=seed), features, seed=seed)["loss"].tolist()
        for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_stage_two_trains_language_and_connector(stage_zero, features):
    model, processor = assemble(*stage_zero, "mlp2", seed=0)
    before = weights(model)
    curve = train_stage_two(model, processor, features[Stream.QUESTIONS], TINY, 0, "test")
    assert curve["loss"].tail(2).mean() < curve["loss"].head(2).mean()
    assert not any("vision_tower" in name for name in changed(model, before))
    assert {"lm_head.weight", "model.language_model.layers.2.mlp.up_proj.weight"} < changed(model, before)


def test_perplexity_is_that_of_the_models_own_loss(stage_zero):
    model, processor = assemble(*stage_zero, "mlp2", seed=0)
    total = tokens = 0
    for index in range(TINY.baseline_examples):
        scene, image, random = example("heldout", Stream.BASELINES, index)
        text = chat_text(processor, [("", caption(scene, "long", random))], images=1)
        batch = batch_of(processor, [text], [image])
        count = int((batch["labels"] != IGNORED).sum())
        with torch.inference_mode():
            total += float(model.eval()(**batch).loss) * count
        tokens += count
    assert baselines.caption_perplexity(model, processor, TINY) == pytest.approx(
        np.exp(total / tokens), rel=1e-4
    )


def test_in_context_score_is_that_of_greedy_decoding(stage_zero, monkeypatch):
    model, processor = assemble(*stage_zero, "mlp2", seed=0)
    model.requires_grad_(True)
    image = example("train", Stream.VISION, 0).image
    shots = [("Say.", "yes"), ("Say.", "yes"), ("Say.", "yes")]
    batch = batch_of(processor, [chat_text(processor, shots, images=3)], [image] * 3)
    train(lambda _: model(**batch).loss, model.parameters(), Recipe(3e-3), 25, "test")

    prompt = chat_text(processor, [*shots[:2], ("Say.", "")], images=3)
    inputs = processor(text=[prompt], images=[image] * 3, return_tensors="pt")
    model.eval()
    told = model.generate(**inputs, do_sample=False, max_new_tokens=4)[0, inputs["input_ids"].shape[1] :]
    assert processor.tokenizer.decode(told) == " yes</s>"

    answers = ["yes", "no", "yes please", "yes", "y", "yes"]
    monkeypatch.setattr(
        baselines, "in_context_prompt", lambda number: ([*shots[:2], ("Say.", answers[number])], [image] * 3)
    )
    assert baselines.in_context_score(model, processor, TINY) == 3 / 6


def test_prompts_in_context_hold_three_questions_of_one_skill():
    for number in range(6):
        turns, images = baselines.in_context_prompt(number)
        assert len(turns) == len(images) == 3
        assert all(question and answer for question, answer in turns)


def test_experiments_share_the_base_run_and_cover_the_papers():
    everything = runs(FULL)
    names = [run.name for run in everything]
    assert len(names) == len(set(names)) > 50
    assert names.count("base_s0") == 1 and Run(Pretraining(), 0).name == "base_s0"
    sharing = {member.experiment for member in members(FULL) if member.run.name == "base_s0"}
    assert sharing >= {"data scale", "caption length", "learning rate", "unlocked part", "connector", "MoCa"}
    main = [member for member in members(FULL) if member.experiment == "data scale"]
    assert len({member.variant for member in main}) >= 6 and len({member.run.seed for member in main}) >= 3
    assert not set("=,/ ") & set("".join(names))  # lmms-eval's model_args, and file names


def test_scales_say_how_long_they_take():
    assert list(SCALES) == ["smoke", "full", "real"]
    for scale in SCALES.values():
        assert any(unit in scale.estimate for unit in ("minute", "hour")), scale.name


@pytest.mark.parametrize("variant", CONNECTORS)
def test_a_long_start_makes_what_the_connector_gives_longer(stage_zero, features, variant):
    model, _ = assemble(*stage_zero, seed=0, **CONNECTORS[variant])
    connector, patches = model.model.multi_modal_projector, features[Stream.CAPTIONS][[0, 1]][:, 1:]
    with torch.inference_mode():
        before = connector(patches)
        scale_output(connector, 8.0)
        torch.testing.assert_close(connector(patches), 8 * before)


def test_the_final_loss_of_a_branch_is_over_a_share_of_all_its_steps():
    branch = pd.DataFrame({"step": range(161, 201), "loss": np.arange(40.0)})
    assert final_loss(branch) == np.arange(20.0, 40.0).mean()


def test_a_pause_is_no_time_of_training():
    seconds = np.cumsum([2.0, 2.0, 500.0, 2.0, 2.0])
    assert training_seconds(pd.DataFrame({"seconds": seconds})) == 10
