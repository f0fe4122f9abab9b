"""Families of models and levels of image-text similarity, through lmms-eval's own tasks."""

import math
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lmms_eval.tasks import TaskManager, get_task_dict
from loguru import logger
from transformers import AutoProcessor, LlavaForConditionalGeneration

from mir_task import MIRResult, measure
from mir_task.checkpoints import convert
from mir_task.data import PairSet, local_pairs
from mir_task.lmms.llava_pretrain import LlavaPretrain
from tests.checkpoints import original
from tests.lmms.test_plugin import COLOUR_TASK, Model, run


@pytest.fixture
def two_levels(clip, paired_folders, monkeypatch):
    """Settings for eight pairs in two levels of similarity."""
    images, texts = map(str, paired_folders)
    settings = {"IMAGES": images, "TEXTS": texts, "PAIRED": "1", "CLIP": str(clip), "LEVELS": "2"}
    for name, value in settings.items():
        monkeypatch.setenv(f"MIR_{name}", value)


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


def pairs_of(task):
    return PairSet(task.dataset["test"])


# Levels of similarity


def test_mir_of_each_level(llava, two_levels):
    task = task_of("mir_by_alignment")
    _, answers = run(Model(llava), task)
    numbers, results = table(task, answers)
    pairs = pairs_of(task)
    everything = measure(*llava, pairs, progress=False)
    assert (numbers["mir"], numbers["mir_pairs"]) == (everything.mir, 8)
    by_level = {}
    for level in (1, 2):
        chosen = pairs.subset(number for number, own in enumerate(pairs.levels) if own == level)
        by_level[level] = measure(*llava, chosen, progress=False)
        assert numbers[f"mir_similarity_{level}"] == by_level[level].mir
        assert numbers[f"mir_se_similarity_{level}"] == by_level[level].standard_error
        protocol = results[f"_similarity_{level}"]["protocol"]
        assert protocol["pair_ids"] == chosen.ids
        assert protocol["alignment"]["level"] == level
    assert numbers["mir_similarity_spread"] == abs(by_level[1].mir - by_level[2].mir) > 0
    assert set(results) == {"", "_similarity_1", "_similarity_2"}
    assert results[""]["protocol"]["alignment"]["level"] is None


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
    pairs = pairs_of(task)
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


def test_a_family_on_graded_pairs_is_averaged_level_by_level(align1, two_levels):
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
    images, texts = folders
    environment = {"MIR_IMAGES": str(images), "MIR_TEXTS": str(texts)}
    arguments = f"pretrained={stage1},base_llm={llm},vision_tower={tower},device=cpu"
    output = ("--tasks", "mir_local", "--output_path", tmp_path / "original")
    lmms_eval_cli("--model", "llava_pretrain", "--model_args", arguments, *output, environment=environment)
    first = lmms_eval_cli.results(tmp_path / "original")["mir_local"]["mir,none"]
    # What llava_hf would make of the conversion: test_cli has its number as that of measure.
    converted = LlavaForConditionalGeneration.from_pretrained(tmp_path / "converted")
    processor = AutoProcessor.from_pretrained(tmp_path / "converted")
    second = measure(converted, processor, local_pairs(images, texts), progress=False).mir
    assert math.isfinite(first) and first == pytest.approx(second, abs=1e-6)
    assert len(list(Path(tmp_path / "original").rglob("*_mir_mir_local.json"))) == 1
