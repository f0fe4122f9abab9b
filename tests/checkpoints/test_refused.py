"""Checkpoints that are not what they are given as: refused, naming file, key and both shapes."""

import pickle
import re
from pathlib import Path

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from mir_task import MIRModelError
from mir_task.checkpoints import convert, load
from tests.checkpoints import original


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    return original.save_llm(folder / "llm"), original.save_tower(folder / "clip")


def refused(match, *arguments, **settings):
    with pytest.raises(MIRModelError, match=match):
        load(*map(str, arguments), **settings)


def test_projector_for_another_llm_width(base, tmp_path):
    llm, tower = base
    wide = original.save_llm(tmp_path / "wide", width=96)
    run = original.save_stage1(tmp_path / "run", llm, tower)
    file = re.escape(str(run / "mm_projector.bin"))
    refused(
        rf"{file}: mm_projector.0.weight has shape \[64, 48\], .* width 96 .* needs \[96, 48\]", run, wide
    )


def test_projector_for_another_tower(base, tmp_path):
    llm, _ = base
    CLIPVisionModel(
        CLIPVisionConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
    ).save_pretrained(tmp_path / "narrow")
    run = original.save_stage1(tmp_path / "run", llm, tmp_path / "narrow")
    refused("mm_hidden_size 48, the vision tower .*narrow gives features of width 32", run, llm)
    refused(r"mm_projector.0.weight has shape \[64, 48\], .* needs \[64, 32\]", run, llm, mm_hidden_size=32)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"model.mm_projector.0.bias": None}, r"mm_projector.bin .*1 keys are missing, mm_projector.0.bias"),
        ({"model.mm_projector.4.weight": torch.ones(64, 64)}, r"1 keys are too many, mm_projector.4.weight"),
        (
            {"model.resampler.query": torch.ones(4, 64)},
            r"1 keys of another architecture, model.resampler.query",
        ),
        (
            {"model.mm_projector.2.weight": torch.ones(64, 63)},
            r"2.weight has shape \[64, 63\].*needs \[64, 64\]",
        ),
        (
            {"model.embed_tokens.weight": torch.ones(2, 64)},
            r"embed_tokens.weight \[2, 64\].*mm_use_im_start_end",
        ),
    ],
)
def test_keys_and_shapes(base, tmp_path, state, message):
    llm, tower = base
    full = {**original.projector_state("mlp2x_gelu"), **state}
    kept = {name: value for name, value in full.items() if value is not None}
    run = original.write(tmp_path / "run", original.config_of(llm, tower), mm_projector=kept)
    refused(message, run, llm)


def test_projector_of_another_type_than_the_config_says(base, tmp_path):
    llm, tower = base
    run = original.write(
        tmp_path / "run", original.config_of(llm, tower), mm_projector=original.projector_state("mlp3x_gelu")
    )
    refused(r"does not hold a projector mlp2x_gelu .*2 keys are too many, mm_projector.4.bias", run, llm)
    assert load(run, str(llm), mm_projector_type="mlp3x_gelu")
    refused(
        "projector type 'mlp2x_res2x_gelu' is not supported", run, llm, mm_projector_type="mlp2x_res2x_gelu"
    )


def test_start_end_tokens(base, tmp_path):
    llm, tower = base
    run = original.save_stage1(tmp_path / "a", llm, tower, mm_use_im_start_end=True)
    refused("there is no key embed_tokens.weight", run, llm)
    table = {"model.embed_tokens.weight": torch.ones(7, 64)}
    run = original.save_stage1(tmp_path / "b", llm, tower, state=table, mm_use_im_start_end=True)
    refused(r"shape \[7, 64\]; .* needs \[\d+, 64\] or, the new rows alone, \[2, 64\]", run, llm)


def test_stages_that_are_not_what_they_are_given_as(base, tmp_path):
    llm, tower = base
    stage1 = original.save_stage1(tmp_path / "stage1", llm, tower)
    align1 = original.save_align1(tmp_path / "align1", llm, tower)
    align2 = original.save_align2(tmp_path / "align2", llm, tower)
    refused(r"holds a projector alone \(stage 1\), no LLM: name .* base_llm", stage1)
    refused("is of stage 1, not 2: it holds a projector alone", stage1, llm, stage=2)
    refused(r"holds a whole model \(pytorch_model.bin\).* leave out base_llm", align2, llm)
    refused("is of stage 2, not 1: it has a gated_weight_layer", align2, stage=1)
    refused("is of stage 1, not 2", align1, llm, stage=2)
    refused("holds a whole model .*name its folder", align2 / "pytorch_model.bin", llm)
    refused("stage must be 1 or 2, got 3", stage1, llm, stage=3)


@pytest.mark.parametrize("level", [8, -1, 1.5, "3", True])
def test_alignment_levels(base, tmp_path, level):
    llm, tower = base
    align1 = original.save_align1(tmp_path / "align1", llm, tower)
    refused(f"whole number from 0 to 7, got {level!r}", align1, llm, align_level=level)


def test_alignment_level_where_there_is_none(base, tmp_path):
    llm, tower = base
    stage1 = original.save_stage1(tmp_path / "stage1", llm, tower)
    refused("no AlignGPT checkpoint, it takes no align_level", stage1, llm, align_level=3)
    refused(
        "stage 2, which computes the align vector",
        original.save_align2(tmp_path / "a", llm, tower),
        align_level=3,
    )
    converted = convert(stage1, tmp_path / "converted", base_llm=str(llm))
    refused("no stage 1 of AlignGPT", converted, align_level=3)
    with pytest.raises(MIRModelError, match="family of 8 models: choose one with align_level"):
        convert(original.save_align1(tmp_path / "b", llm, tower), tmp_path / "c", base_llm=str(llm))


def test_align_shapes(base, tmp_path):
    llm, tower = base
    config = original.config_of(llm, tower, model_type="aligngpt")
    projector = original.projector_state("mlp2x_gelu", prefix="")
    short = {"align_indicators.indicator_embs": torch.ones(7, 64)}
    run = original.write(tmp_path / "a", config, mm_projector_align={**projector, **short})
    refused(r"indicator_embs has shape \[7, 64\], .* needs \[8, 64\]", run, llm)
    run = original.write(tmp_path / "b", config, mm_projector=projector)
    refused("intermediate checkpoint, .* use the final one", run, llm)
    run = original.save_align2(tmp_path / "c", llm, tower, rows=99)
    refused(r"mlp.0.weight has shape \[256, 99\], AlignGPT's gate over 16 image rows needs \[256, 16\]", run)


def test_full_checkpoint_that_does_not_fit_its_config(base, tmp_path):
    llm, tower = base
    state = {**original.llm_state(llm), **original.projector_state("mlp2x_gelu")}
    name = "model.layers.0.mlp.up_proj.weight"
    lost = {key: value for key, value in state.items() if key != name}
    run = original.write(tmp_path / "a", original.config_of(llm, tower), pytorch_model=lost)
    refused(f"pytorch_model.bin .* are missing, {name}", run, tokenizer=str(llm))
    run = original.write(
        tmp_path / "b", original.config_of(llm, tower), pytorch_model={**state, name: torch.ones(3, 64)}
    )
    refused(rf"{name} has shape \[3, 64\], .* needs \[128, 64\]", run, tokenizer=str(llm))
    run = original.write(
        tmp_path / "c", original.config_of(llm, tower), pytorch_model=original.llm_state(llm)
    )
    refused("holds no projector .* a language model alone", run)
    run = original.write(
        tmp_path / "d", original.config_of(llm, tower, model_type="odd"), pytorch_model=state
    )
    refused("model_type 'odd' is not known here", run)


def test_lora_adapters_of_another_llm(base, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    llm, tower = base
    wide = original.save_llm(tmp_path / "wide", width=96)
    get_peft_model(
        LlamaForCausalLM.from_pretrained(wide), LoraConfig(r=2, target_modules=["q_proj"])
    ).save_pretrained(tmp_path / "run")
    others = original.projector_state("mlp2x_gelu", prefix="base_model.model.model.")
    run = original.write(tmp_path / "run", original.config_of(llm, tower), non_lora_trainables=others)
    refused(r"holds LoRA adapters, no LLM", run)
    refused(r"(?s)LoRA adapters do not fit the base LLM: .*q_proj.*\[2, 96\].*\[2, 64\]", run, llm)


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path(self.target),))


def test_pickled_code_never_runs(base, tmp_path):
    llm, tower = base
    evil = Evil()
    evil.target = str(tmp_path / "executed")
    for name, content in (("a", {"model.mm_projector.0.weight": evil}), ("b", evil)):
        run = original.write(tmp_path / name, original.config_of(llm, tower), mm_projector=content)
        refused(r"mm_projector.bin is not a plain dict of tensors: reading it would run code", run, llm)
    (run / "mm_projector.bin").write_bytes(pickle.dumps(evil))
    refused("mm_projector.bin", run, llm)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(2)], "expected a dict of tensors, found list"),
        ({"model.mm_projector.weight": 3}, "found 'model.mm_projector.weight': int"),
        ({}, "found an empty dict"),
    ],
)
def test_files_that_hold_no_dict_of_tensors(base, tmp_path, content, message):
    llm, tower = base
    run = original.write(tmp_path / "run", original.config_of(llm, tower), mm_projector=content)
    refused(
        f"mm_projector.bin: expected a dict of tensors.*{message}" if "found" not in message else message,
        run,
        llm,
    )


def test_damaged_and_missing_files(base, tmp_path):
    llm, tower = base
    run = original.save_stage1(tmp_path / "run", llm, tower)
    (run / "mm_projector.bin").write_bytes(b"PK\x03\x04 cut off")
    refused("mm_projector.bin", run, llm)
    refused("no checkpoint at .*nowhere", tmp_path / "nowhere", llm)
    (tmp_path / "outer").mkdir()
    run = original.save_stage1(tmp_path / "outer" / "checkpoint-5", llm, tower)
    refused("name one of checkpoint-5/mm_projector.bin", run.parent, llm)
    (run / "config.json").write_text("{")
    refused("config.json is not JSON", run, llm)


def test_settings_without_an_equal(base, tmp_path):
    llm, tower = base
    run = original.save_stage1(tmp_path / "run", llm, tower, image_aspect_ratio="anyres")
    refused("setting image_aspect_ratio is 'anyres'", run, llm)
    assert load(run, str(llm), image_aspect_ratio="pad")
    refused(
        "unknown argument mm_select; .*mm_vision_select_layer",
        run,
        llm,
        mm_select=1,
        image_aspect_ratio="pad",
    )
    refused(
        "no conversation 'v7': use plain, vicuna_v1", run, llm, image_aspect_ratio="pad", conversation="v7"
    )
    refused("cannot load the vision tower /nowhere", run, llm, "/nowhere", image_aspect_ratio="pad")
    refused("cannot load base_llm /nowhere", run, "/nowhere", image_aspect_ratio="pad")
    refused("the vision tower .*llm is a 'llama' model", run, llm, llm, image_aspect_ratio="pad")
