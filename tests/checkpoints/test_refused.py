"""Checkpoints that are not what they are given as: refused, naming file, key and both shapes."""

import pickle
import re
from pathlib import Path

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaForCausalLM

from mir_task import MIRModelError
from mir_task.checkpoints import convert, load
from tests.checkpoints import original


def refused(match, *arguments, **settings):
    with pytest.raises(MIRModelError, match=match):
        load(*map(str, arguments), **settings)


@pytest.fixture
def stage1(llm, tower, tmp_path):
    """A stage 1 of LLaVA in which nothing is wrong."""
    return original.save_stage1(tmp_path / "stage1", llm, tower)


# Projectors


def test_projector_for_another_llm_width(stage1, tmp_path):
    wide = original.save_llm(tmp_path / "wide", width=96)
    file = re.escape(str(stage1 / "mm_projector.bin"))
    refused(
        rf"{file}: mm_projector.0.weight has shape \[64, 48\], .* width 96 .* needs \[96, 48\]", stage1, wide
    )


def test_projector_for_another_tower(llm, tmp_path):
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    CLIPVisionModel(CLIPVisionConfig(**sizes)).save_pretrained(tmp_path / "narrow")
    run = original.save_stage1(tmp_path / "run", llm, tmp_path / "narrow")
    refused("mm_hidden_size 48, the vision tower .*narrow gives features of width 32", run, llm)
    refused(r"mm_projector.0.weight has shape \[64, 48\], .* needs \[64, 32\]", run, llm, mm_hidden_size=32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"model.mm_projector.0.bias": None},
            r"mm_projector.bin .*1 keys are missing, mm_projector.0.bias",
            id="a key is missing",
        ),
        pytest.param(
            {"model.mm_projector.4.weight": torch.ones(64, 64)},
            r"1 keys are too many, mm_projector.4.weight",
            id="a key too many",
        ),
        pytest.param(
            {"model.resampler.query": torch.ones(4, 64)},
            r"1 keys of another architecture, model.resampler.query",
            id="another architecture",
        ),
        pytest.param(
            {"model.mm_projector.2.weight": torch.ones(64, 63)},
            r"2.weight has shape \[64, 63\].*needs \[64, 64\]",
            id="another shape",
        ),
        pytest.param(
            {"model.embed_tokens.weight": torch.ones(2, 64)},
            r"embed_tokens.weight \[2, 64\].*mm_use_im_start_end",
            id="rows of tokens that the config does not add",
        ),
    ],
)
def test_keys_and_shapes(llm, tower, tmp_path, changes, message):
    state = {**original.projector_state("mlp2x_gelu"), **changes}
    state = {name: value for name, value in state.items() if value is not None}
    run = original.write(tmp_path / "run", original.config_of(llm, tower), mm_projector=state)
    refused(message, run, llm)


def test_projector_of_another_type_than_the_config_says(llm, tower, tmp_path):
    deeper = original.projector_state("mlp3x_gelu")
    run = original.write(tmp_path / "run", original.config_of(llm, tower), mm_projector=deeper)
    refused(r"does not hold a projector mlp2x_gelu .*2 keys are too many, mm_projector.4.bias", run, llm)
    assert load(run, str(llm), mm_projector_type="mlp3x_gelu")


def test_projector_type_that_is_not_supported(stage1, llm):
    odd = "mlp2x_res2x_gelu"
    refused(f"projector type '{odd}' is not supported", stage1, llm, mm_projector_type=odd)


def test_start_and_end_tokens_without_trained_rows(llm, tower, tmp_path):
    run = original.save_stage1(tmp_path / "run", llm, tower, mm_use_im_start_end=True)
    refused("there is no key embed_tokens.weight", run, llm)


def test_start_and_end_tokens_with_rows_of_another_number(llm, tower, tmp_path):
    table = {"model.embed_tokens.weight": torch.ones(7, 64)}
    run = original.save_stage1(tmp_path / "run", llm, tower, state=table, mm_use_im_start_end=True)
    refused(r"shape \[7, 64\]; .* needs \[\d+, 64\] or, the new rows alone, \[2, 64\]", run, llm)


# Stages


def test_stage_1_that_is_given_as_something_else(stage1, llm):
    refused(r"holds a projector alone \(stage 1\), no LLM: name .* base_llm", stage1)
    refused("is of stage 1, not 2: it holds a projector alone", stage1, llm, stage=2)
    refused("stage must be 1 or 2, got 3", stage1, llm, stage=3)


def test_aligngpts_stage_1_that_is_given_as_stage_2(llm, tower, tmp_path):
    refused("is of stage 1, not 2", original.save_align1(tmp_path / "run", llm, tower), llm, stage=2)


def test_aligngpts_stage_2_that_is_given_as_something_else(llm, tower, tmp_path):
    stage2 = original.save_align2(tmp_path / "run", llm, tower)
    refused(r"holds a whole model \(pytorch_model.bin\).* leave out base_llm", stage2, llm)
    refused("is of stage 2, not 1: it has a gated_weight_layer", stage2, stage=1)
    refused("holds a whole model .*name its folder", stage2 / "pytorch_model.bin", llm)


# AlignGPT


@pytest.mark.parametrize("level", [8, -1, 1.5, "3", True])
def test_levels_of_alignment_are_0_to_7(llm, tower, tmp_path, level):
    run = original.save_align1(tmp_path / "run", llm, tower)
    refused(f"whole number from 0 to 7, got {level!r}", run, llm, align_level=level)


def test_level_of_alignment_where_there_is_none(stage1, llm, tower, tmp_path):
    refused("no AlignGPT checkpoint, it takes no align_level", stage1, llm, align_level=3)
    stage2 = original.save_align2(tmp_path / "stage2", llm, tower)
    refused("stage 2, which computes the align vector", stage2, align_level=3)
    converted = convert(stage1, tmp_path / "converted", base_llm=str(llm))
    refused("no stage 1 of AlignGPT", converted, align_level=3)


def test_a_family_of_models_is_not_converted_whole(llm, tower, tmp_path):
    run = original.save_align1(tmp_path / "run", llm, tower)
    with pytest.raises(MIRModelError, match="family of 8 models: choose one with align_level"):
        convert(run, tmp_path / "converted", base_llm=str(llm))


def test_indicators_of_another_shape(llm, tower, tmp_path):
    state = original.projector_state("mlp2x_gelu", prefix="")
    state["align_indicators.indicator_embs"] = torch.ones(7, 64)
    config = original.config_of(llm, tower, model_type="aligngpt")
    run = original.write(tmp_path / "run", config, mm_projector_align=state)
    refused(r"indicator_embs has shape \[7, 64\], .* needs \[8, 64\]", run, llm)


def test_aligngpt_without_indicators(llm, tower, tmp_path):
    config = original.config_of(llm, tower, model_type="aligngpt")
    projector = original.projector_state("mlp2x_gelu", prefix="")
    run = original.write(tmp_path / "run", config, mm_projector=projector)
    refused("intermediate checkpoint, .* use the final one", run, llm)


def test_gate_of_another_shape(llm, tower, tmp_path):
    run = original.save_align2(tmp_path / "run", llm, tower, rows=99)
    refused(r"mlp.0.weight has shape \[256, 99\], AlignGPT's gate over 16 image rows needs \[256, 16\]", run)


# Full checkpoints and LoRA

UP_PROJ = "model.layers.0.mlp.up_proj.weight"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({UP_PROJ: None}, f"pytorch_model.bin .* are missing, {UP_PROJ}", id="a key is missing"),
        pytest.param(
            {UP_PROJ: torch.ones(3, 64)},
            rf"{UP_PROJ} has shape \[3, 64\], .* needs \[128, 64\]",
            id="another shape",
        ),
    ],
)
def test_full_checkpoint_that_does_not_fit_its_config(llm, tower, tmp_path, changes, message):
    state = {**original.llm_state(llm), **original.projector_state("mlp2x_gelu"), **changes}
    state = {name: value for name, value in state.items() if value is not None}
    run = original.write(tmp_path / "run", original.config_of(llm, tower), pytorch_model=state)
    refused(message, run, tokenizer=str(llm))


def test_full_checkpoint_without_a_projector(llm, tower, tmp_path):
    config, state = original.config_of(llm, tower), original.llm_state(llm)
    run = original.write(tmp_path / "run", config, pytorch_model=state)
    refused("holds no projector .* a language model alone", run)


def test_full_checkpoint_of_an_unknown_llm(llm, tower, tmp_path):
    config = original.config_of(llm, tower, model_type="odd")
    state = {**original.llm_state(llm), **original.projector_state("mlp2x_gelu")}
    run = original.write(tmp_path / "run", config, pytorch_model=state)
    refused("model_type 'odd' is not known here", run)


def test_lora_adapters_of_another_llm(llm, tower, tmp_path):
    from peft import LoraConfig, get_peft_model

    wide = original.save_llm(tmp_path / "wide", width=96)
    adapters = LoraConfig(r=2, target_modules=["q_proj"])
    get_peft_model(LlamaForCausalLM.from_pretrained(wide), adapters).save_pretrained(tmp_path / "run")
    others = original.projector_state("mlp2x_gelu", prefix="base_model.model.model.")
    run = original.write(tmp_path / "run", original.config_of(llm, tower), non_lora_trainables=others)
    refused(r"holds LoRA adapters, no LLM", run)
    refused(r"(?s)LoRA adapters do not fit the base LLM: .*q_proj.*\[2, 96\].*\[2, 64\]", run, llm)


# Files


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (Path(self.target),))


@pytest.fixture
def executed(tmp_path):
    """The file that evil code would make."""
    target = tmp_path / "executed"
    yield target
    assert not target.exists()


@pytest.mark.parametrize("in_a_dict", [True, False])
def test_pickled_code_never_runs(llm, tower, tmp_path, executed, in_a_dict):
    evil = Evil(str(executed))
    content = {"model.mm_projector.0.weight": evil} if in_a_dict else evil
    run = original.write(tmp_path / "run", original.config_of(llm, tower), mm_projector=content)
    refused(r"mm_projector.bin is not a plain dict of tensors: reading it would run code", run, llm)


def test_code_in_a_bare_pickle_never_runs(stage1, llm, executed):
    (stage1 / "mm_projector.bin").write_bytes(pickle.dumps(Evil(str(executed))))
    refused("mm_projector.bin", stage1, llm)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param([torch.ones(2)], "list", id="a list"),
        pytest.param(
            {"model.mm_projector.weight": 3}, "'model.mm_projector.weight': int", id="a dict of numbers"
        ),
        pytest.param({}, "an empty dict", id="nothing"),
    ],
)
def test_files_that_hold_no_dict_of_tensors(llm, tower, tmp_path, content, found):
    run = original.write(tmp_path / "run", original.config_of(llm, tower), mm_projector=content)
    refused(f"mm_projector.bin: expected a dict of tensors, found {found}", run, llm)


def test_damaged_file(stage1, llm):
    (stage1 / "mm_projector.bin").write_bytes(b"PK\x03\x04 cut off")
    refused("mm_projector.bin", stage1, llm)


def test_config_that_is_no_json(stage1, llm):
    (stage1 / "config.json").write_text("{")
    refused("config.json is not JSON", stage1, llm)


def test_folder_above_the_checkpoint(llm, tower, tmp_path):
    original.save_stage1(tmp_path / "run" / "checkpoint-5", llm, tower)
    refused("name one of checkpoint-5/mm_projector.bin", tmp_path / "run", llm)


# Arguments


def test_setting_without_an_equal_in_transformers(llm, tower, tmp_path):
    run = original.save_stage1(tmp_path / "run", llm, tower, image_aspect_ratio="anyres")
    refused("setting image_aspect_ratio is 'anyres'", run, llm)
    assert load(run, str(llm), image_aspect_ratio="pad")


def test_unknown_names(stage1, llm, tmp_path):
    refused("no checkpoint at .*nowhere", tmp_path / "nowhere", llm)
    refused("unknown argument mm_select; .*mm_vision_select_layer", stage1, llm, mm_select=1)
    refused("no conversation 'v7': use plain, vicuna_v1", stage1, llm, conversation="v7")
    refused("cannot load base_llm /nowhere", stage1, "/nowhere")
    refused("cannot load the vision tower /nowhere", stage1, llm, "/nowhere")


def test_llm_in_the_place_of_the_tower(stage1, llm):
    refused("the vision tower .*llm is a 'llama' model", stage1, llm, llm)
