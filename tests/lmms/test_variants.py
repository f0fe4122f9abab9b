"""Families of models and levels of image-text similarity, through lmms-eval's own tasks."""

import math
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lmms_eval.tasks import TaskManager, get_task_dict
from loguru import logger
from transformers import (
    AutoProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    LlavaForConditionalGeneration,
)

from mir_task import MIRDataError, MIRResult, Pair, measure
from mir_task.checkpoints import convert
from mir_task.data import LEVEL_COLUMN, graded_pairs, local_pairs, open_image
from mir_task.data.alignment import grade
from mir_task.demo.checkpoint import build_tokenizer
from mir_task.lmms.llava_pretrain import LlavaPretrain
from tests.checkpoints import original
from tests.lmms.test_plugin import COLOUR_TASK, Model, run


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A tiny CLIP model of random weights."""
    folder = tmp_path_factory.mktemp("clip") / "tiny"
    tokenizer = build_tokenizer(placeholders=())
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(0)
    CLIPModel(
        CLIPConfig(
            text_config={"vocab_size": len(tokenizer), "max_position_embeddings": 77, **ends, **sizes},
            vision_config={"image_size": 28, "patch_size": 14, **sizes},
            projection_dim=16,
        )
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(
        folder
    )
    return folder


@pytest.fixture
def graded(clip, folders, monkeypatch):
    """Settings for eight pairs in two levels."""
    images, texts = folders
    for file in sorted(texts.iterdir(), reverse=True):  # so that all names agree
        file.rename(texts / f"{int(file.stem) - 4 + 100}.txt")
    for file in list(texts.iterdir()):
        file.rename(texts / f"{int(file.stem) - 100}.txt")
    settings = {
        "MIR_IMAGES": str(images),
        "MIR_TEXTS": str(texts),
        "MIR_PAIRED": "1",
        "MIR_CLIP": str(clip),
        "MIR_LEVELS": "2",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


@cache
def task_manager():
    return TaskManager(include_path=str(COLOUR_TASK))


def task_of(name):
    (task,) = get_task_dict([name], task_manager()).values()
    task.build_all_requests()
    return task


def table(task, answers):
    items = [task.process_results({}, [answer.text]) for answer in answers]
    shown = {name: task.aggregation()[name] for name in items[0] if name != "mir"}
    numbers = {name: aggregate([item[name] for item in items]) for name, aggregate in shown.items()}
    return {**numbers, "mir": items[0]["mir"]["value"]}, items[0]["mir"]["results"]


def pairs_of(rows):
    return [Pair(open_image(row["image"]), row["text"], row["pair_id"]) for row in rows]


# Levels of similarity


def test_similarity_is_clips_cosine_and_levels_are_quantiles(graded, clip):
    pairs = graded_pairs(graded)
    alignment = pairs.source["alignment"]
    model, tokenizer = CLIPModel.from_pretrained(clip), build_tokenizer(placeholders=())
    processor = CLIPImageProcessor.from_pretrained(clip)
    for row in pairs.dataset:
        ids = tokenizer(row["text"], return_tensors="pt")["input_ids"][:, :77]
        image = processor(open_image(row["image"]), return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            # CLIPModel's own logits are the cosine times its temperature.
            cosine = model(input_ids=ids, pixel_values=image).logits_per_image / model.logit_scale.exp()
        assert alignment["similarity"][row["pair_id"]] == pytest.approx(float(cosine), abs=1e-6)
    values = [alignment["similarity"][name] for name in pairs.dataset["pair_id"]]
    assert alignment["edges"] == pytest.approx(list(np.quantile(values, [0, 0.5, 1])))
    levels = pairs.dataset[LEVEL_COLUMN][:]
    assert sorted(levels) == [1] * 4 + [2] * 4
    assert max(v for v, level in zip(values, levels, strict=True) if level == 1) < min(
        v for v, level in zip(values, levels, strict=True) if level == 2
    )
    assert alignment["clip"] == str(clip)


def test_mir_of_each_level(llava, graded):
    task = task_of("mir_by_alignment")
    _, answers = run(Model(llava), task)
    numbers, results = table(task, answers)
    rows = list(task.dataset["test"])
    everything = measure(*llava, pairs_of(rows), progress=False)
    assert (numbers["mir"], numbers["mir_pairs"]) == (everything.mir, 8)
    by_level = {}
    for level in (1, 2):
        chosen = [row for row in rows if row[LEVEL_COLUMN] == level]
        by_level[level] = measure(*llava, pairs_of(chosen), progress=False)
        assert numbers[f"mir_similarity_{level}"] == by_level[level].mir
        assert numbers[f"mir_se_similarity_{level}"] == by_level[level].standard_error
        protocol = results[f"_similarity_{level}"]["protocol"]
        assert protocol["pair_ids"] == [row["pair_id"] for row in chosen]
        assert protocol["alignment"]["level"] == level
    assert numbers["mir_similarity_spread"] == abs(by_level[1].mir - by_level[2].mir) > 0
    assert set(results) == {"", "_similarity_1", "_similarity_2"}
    assert results[""]["protocol"]["alignment"]["level"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MIR_PAIRED": "0"}, "texts that belong to their images: set MIR_PAIRED=1"),
        ({"MIR_CLIP": ""}, "needs the environment variable MIR_CLIP"),
        ({"MIR_CLIP": "/nowhere"}, "MIR_CLIP: cannot load a CLIPModel, .* from /nowhere"),
        ({"MIR_LEVELS": "5"}, "8 pairs are too few for 5 levels of at least 2"),
        ({"MIR_LEVELS": "1"}, "MIR_LEVELS must be a whole number of at least 2"),
    ],
)
def test_bad_settings_are_named(graded, change, message):
    with pytest.raises(MIRDataError, match=message):
        graded_pairs({**graded, **change})


def test_another_model_than_clip_is_refused(graded, checkpoint):
    with pytest.raises(MIRDataError, match="its model_type is 'llava', not 'clip'"):
        graded_pairs({**graded, "MIR_CLIP": str(checkpoint)})


def test_ties_that_leave_a_level_empty_are_refused():
    with pytest.raises(MIRDataError, match="same image-text similarity for 3 levels"):
        grade([0.5] * 5 + [0.6], 3)


# A family of models


@pytest.fixture(scope="module")
def align1(tmp_path_factory):
    folder = tmp_path_factory.mktemp("align")
    llm, tower = original.save_llm(folder / "llm"), original.save_tower(folder / "clip")
    return original.save_align1(folder / "run", llm, tower), llm


def test_all_eight_levels_are_listed(align1, monkeypatch, tmp_path):
    monkeypatch.setenv("MIR_NUM_PAIRS", "5")
    stage1, llm = align1
    family = LlavaPretrain(str(stage1), base_llm=str(llm), device="cpu")
    task = task_of("mir_builtin")
    _, answers = run(family, task)
    numbers, results = table(task, answers)
    pairs = pairs_of(task.dataset["test"])
    alone = []
    for level in range(8):
        one = LlavaPretrain(str(stage1), base_llm=str(llm), device="cpu", align_level=level)
        alone.append(measure(one.model, one._image_processor, pairs, progress=False))
        assert numbers[f"mir_align_level_{level}"] == alone[level].mir
        assert results[f"_align_level_{level}"]["model"]["variant"] == f"align_level_{level}"
    values = [result.mir for result in alone]
    assert len(set(values)) == 8
    assert numbers["mir"] == pytest.approx(math.fsum(values) / 8, rel=1e-12)
    per_layer = [value - math.log10(len(alone[0].layers)) for value in values]
    assert numbers["mir_per_layer"] == pytest.approx(np.mean(per_layer), rel=1e-12)
    assert numbers["mir_align_spread"] == pytest.approx(max(values) - min(values))
    # Never smaller than the mean's own standard error could be.
    assert numbers["mir_se"] == pytest.approx(np.mean([result.standard_error for result in alone]))

    args = SimpleNamespace(output_path=str(tmp_path), model="llava_pretrain", model_args="")
    items = [task.process_results({}, [answer.text])["mir"] for answer in answers]
    task.aggregation()["mir"](items, args)
    files = sorted(tmp_path.rglob("*_mir_mir_builtin_align_level_*.json"))
    assert [MIRResult.load(file).mir for file in files] == values


def test_a_family_on_graded_pairs_is_averaged_level_by_level(align1, graded):
    stage1, llm = align1
    task = task_of("mir_by_alignment")
    _, answers = run(LlavaPretrain(str(stage1), base_llm=str(llm), device="cpu"), task)
    numbers, results = table(task, answers)
    assert len(results) == 8 * 3
    for similarity in (1, 2):
        members = [results[f"_align_level_{level}_similarity_{similarity}"]["mir"] for level in range(8)]
        assert numbers[f"mir_similarity_{similarity}"] == pytest.approx(np.mean(members), rel=1e-12)
    everything = [results[f"_align_level_{level}"]["mir"] for level in range(8)]
    assert numbers["mir"] == pytest.approx(np.mean(everything), rel=1e-12)


def test_one_level_is_one_model(align1, monkeypatch):
    monkeypatch.setenv("MIR_NUM_PAIRS", "3")
    stage1, llm = align1
    task = task_of("mir_builtin")
    _, answers = run(LlavaPretrain(str(stage1), base_llm=str(llm), device="cpu", align_level=2), task)
    numbers, results = table(task, answers)
    assert list(results) == ["_align_level_2"]
    assert "mir_align_spread" not in numbers and "mir_align_level_2" not in numbers
    assert results["_align_level_2"]["mir"] == numbers["mir"]


def test_benchmarks_run_too(align1):
    stage1, llm = align1
    model = LlavaPretrain(str(stage1), base_llm=str(llm), device="cpu", device_map="auto")
    prompts = []
    processor = model._image_processor
    model._image_processor = lambda **inputs: prompts.append(inputs["text"]) or processor(**inputs)
    task = task_of("colour")
    model.task_dict["colour"] = task.dataset
    errors = []
    sink = logger.add(errors.append, level="ERROR")
    answers = model.generate_until(task.instances)
    logger.remove(sink)
    assert not errors
    assert len(answers) == len(task.instances) and all(isinstance(answer, str) for answer in answers)
    assert all(prompt.startswith("<align_7><image>") for prompt in prompts)


@pytest.mark.cli
def test_stage_1_on_the_command_line_equals_its_conversion(lmms_eval_cli, tmp_path, folders):
    llm, tower = original.save_llm(tmp_path / "llm"), original.save_tower(tmp_path / "clip")
    stage1 = original.save_stage1(tmp_path / "stage1", llm, tower)
    convert(stage1, tmp_path / "converted", base_llm=str(llm))
    environment = {"MIR_IMAGES": str(folders[0]), "MIR_TEXTS": str(folders[1])}
    arguments = f"pretrained={stage1},base_llm={llm},vision_tower={tower},device=cpu"
    output = ("--tasks", "mir_local", "--output_path", tmp_path / "original")
    lmms_eval_cli("--model", "llava_pretrain", "--model_args", arguments, *output, environment=environment)
    first = lmms_eval_cli.results(tmp_path / "original")["mir_local"]["mir,none"]
    # What llava_hf would make of the conversion: test_cli has its number as that of measure.
    converted = LlavaForConditionalGeneration.from_pretrained(tmp_path / "converted")
    processor = AutoProcessor.from_pretrained(tmp_path / "converted")
    rows = local_pairs(environment).dataset
    pairs = [Pair(open_image(row["image"]), row["text"], row["pair_id"]) for row in rows]
    second = measure(converted, processor, pairs, progress=False).mir
    assert math.isfinite(first) and first == pytest.approx(second, abs=1e-6)
    assert len(list(Path(tmp_path / "original").rglob("*_mir_mir_local.json"))) == 1
