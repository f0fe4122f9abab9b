"""Checkpoints in the original layouts of LLaVA, against a splice of their raw weights."""

import pytest
import torch
from PIL import Image
from transformers import (
    CLIPImageProcessor,
    CLIPVisionModel,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    SiglipImageProcessor,
)

from mir_task.adapters import adapter_for
from mir_task.checkpoints import convert, load
from mir_task.demo.checkpoint import build_tokenizer
from tests.checkpoints import original
from tests.checkpoints.splice import (
    BOS,
    IMAGE,
    TEXT,
    assert_spliced,
    hidden_states,
    ids,
    image_rows,
    pixels,
)

# What stage 1 was trained on: the caption directly behind the image, and a newline.
CAPTION = ids(TEXT + "\n")
VICUNA_BEFORE = ids(
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions. USER: "
)
VICUNA_AFTER = ids(f"\n ASSISTANT: {TEXT}</s>")

# Stage 1


@pytest.mark.parametrize(
    ("projector_type", "model_type"),
    [
        ("linear", "llava"),
        ("mlp1x_gelu", "llava"),
        ("mlp2x_gelu", "llava"),
        ("mlp3x_gelu", "llava_pretrain"),
        ("mlp5x_gelu", "llava_pretrain"),
    ],
)
def test_stage_1_equals_the_splice_and_its_conversion_equals_it(
    llm, tower, tmp_path, projector_type, model_type
):
    stage1 = original.save_stage1(tmp_path / "stage1", llm, tower, projector_type)
    loaded = load(stage1, str(llm))
    rows = image_rows(tower, projector_type)
    assert_spliced(loaded.model, loaded.processor, BOS, rows, CAPTION, llm=llm)

    again = load(convert(stage1, tmp_path / "converted", base_llm=str(llm)))
    states = hidden_states(loaded.model, loaded.processor)
    for one, other in zip(states, hidden_states(again.model, again.processor), strict=True):
        assert torch.equal(one, other)
    assert again.model.config.model_type == model_type
    assert (type(again.model) is LlavaForConditionalGeneration) == (model_type == "llava")


def in_a_folder(folder, llm, tower):
    return original.save_stage1(folder, llm, tower)


def as_a_file(folder, llm, tower):
    return original.save_stage1(folder, llm, tower) / "mm_projector.bin"


def in_a_checkpoints_folder(folder, llm, tower):
    return original.save_stage1(folder / "checkpoint-10", llm, tower)


def beside_other_steps(folder, llm, tower):
    original.write(folder, original.config_of(llm, tower))
    projector = original.projector_state("mlp2x_gelu")
    original.write(folder / "mm_projector", None, **{"checkpoint-10": projector})
    return folder / "mm_projector" / "checkpoint-10.bin"


@pytest.mark.parametrize("save", [in_a_folder, as_a_file, in_a_checkpoints_folder, beside_other_steps])
def test_a_projector_is_found_wherever_the_original_code_puts_it(llm, tower, tmp_path, save):
    loaded = load(save(tmp_path / "run", llm, tower), str(llm))
    assert_spliced(loaded.model, loaded.processor, BOS, image_rows(tower), CAPTION, llm=llm)


def test_explicit_arguments_win_over_the_config(llm, tower, tmp_path):
    stage1 = original.save_stage1(tmp_path / "run", llm, "/nowhere", mm_vision_select_feature="patch")
    loaded = load(
        stage1, str(llm), str(tower), mm_vision_select_layer=-1, mm_vision_select_feature="cls_patch"
    )
    rows = image_rows(tower, layer=-1, skip=0)
    assert len(rows) == original.ROWS + 1
    assert_spliced(loaded.model, loaded.processor, BOS, rows, CAPTION, llm=llm)


def test_projector_file_without_a_config(llm, tower, tmp_path):
    original.write(tmp_path / "run", None, mm_projector=original.projector_state("mlp3x_gelu"))
    loaded = load(tmp_path / "run" / "mm_projector.bin", str(llm), str(tower))
    rows = image_rows(tower, "mlp3x_gelu")
    assert_spliced(loaded.model, loaded.processor, BOS, rows, CAPTION, llm=llm)


def test_siglip_has_no_class_token_to_drop(llm, tmp_path):
    tower = original.save_tower(tmp_path / "siglip", "siglip")
    loaded = load(original.save_stage1(tmp_path / "run", llm, tower), str(llm))
    assert_spliced(loaded.model, loaded.processor, BOS, image_rows(tower, skip=0), CAPTION, llm=llm)


@pytest.mark.parametrize(
    ("kind", "image_processor"), [("clip", CLIPImageProcessor), ("siglip", SiglipImageProcessor)]
)
def test_aspect_ratio_pad_is_a_square_of_the_mean_colour(llm, tmp_path, kind, image_processor):
    tower = original.save_tower(tmp_path / kind, kind)
    loaded = load(original.save_stage1(tmp_path / "run", llm, tower, image_aspect_ratio="pad"), str(llm))
    mean = image_processor.from_pretrained(tower).image_mean
    square = Image.new("RGB", (90, 90), tuple(int(255 * channel) for channel in mean))
    square.paste(IMAGE, (0, 15))
    ours = adapter_for(loaded.model, loaded.processor).prepare(IMAGE, TEXT, 99)["pixel_values"]
    # One resizes before and the other after pixels become floats.
    assert (ours - pixels(tower, square)).abs().max() < 0.05
    assert (ours - pixels(tower)).abs().max() > 0.5


@pytest.fixture(params=[True, False], ids=["whole table", "new rows alone"])
def with_start_and_end(request, llm, tower, tmp_path):
    """A stage 1 with trained start and end tokens, and its token embedding."""
    untrained = LlamaForCausalLM.from_pretrained(llm).model.embed_tokens.weight.detach()
    new = torch.randn(2, original.WIDTH, generator=torch.Generator().manual_seed(9))
    # All rows are trained in that mode; some versions of the original code save all, some the new ones alone.
    table = torch.cat([untrained + 0.01 if request.param else untrained, new])
    stage1 = original.save_stage1(
        tmp_path / "run",
        llm,
        tower,
        state={"model.embed_tokens.weight": table if request.param else new},
        mm_use_im_start_end=True,
    )
    return stage1, table


@pytest.mark.parametrize("converted", [False, True], ids=["as it is", "converted"])
def test_start_and_end_tokens_have_their_trained_rows(llm, tower, tmp_path, with_start_and_end, converted):
    stage1, table = with_start_and_end
    start, end = len(table) - 2, len(table) - 1
    pieces = ([*BOS, *VICUNA_BEFORE, start], image_rows(tower), [end, *VICUNA_AFTER])
    known = {"base_llm": str(llm), "conversation": "vicuna_v1"}
    loaded = load(convert(stage1, tmp_path / "converted", **known)) if converted else load(stage1, **known)
    assert_spliced(loaded.model, loaded.processor, *pieces, llm=llm, table=table)


def test_stage_1_was_trained_without_start_and_end_tokens(llm, tower, with_start_and_end):
    # The original preprocess_plain writes the bare image, whatever mm_use_im_start_end says.
    stage1, table = with_start_and_end
    loaded = load(stage1, str(llm))
    assert_spliced(loaded.model, loaded.processor, BOS, image_rows(tower), CAPTION, llm=llm, table=table)


@pytest.mark.parametrize("converted", [False, True], ids=["as it is", "converted"])
@pytest.mark.parametrize(("conversation", "has_own"), [("plain", False), ("vicuna_v1", True)])
def test_benchmarks_are_not_asked_in_the_template_of_captions(
    llm, tower, tmp_path, converted, conversation, has_own
):
    # llava_hf looks at the tokenizer's template, and asks in Vicuna's where there is none.
    run, known = original.save_stage1(tmp_path / "run", llm, tower), {"base_llm": str(llm)}
    if converted:
        run, known = convert(run, tmp_path / "converted", **known, conversation=conversation), {}
    processor = load(run, **known, conversation=None if converted else conversation).processor
    assert processor.chat_template is not None
    assert (processor.tokenizer.chat_template is not None) == has_own


def test_tied_embeddings_survive_conversion(tower, tmp_path):
    llm = original.save_llm(tmp_path / "llm", tie=True)
    stage1 = original.save_stage1(tmp_path / "run", llm, tower)
    again = load(convert(stage1, tmp_path / "converted", base_llm=str(llm))).model
    assert again.lm_head.weight is again.get_input_embeddings().weight


def test_dtype_is_the_llms_unless_named(llm, tower, tmp_path):
    half = tmp_path / "half"
    LlamaForCausalLM.from_pretrained(llm).bfloat16().save_pretrained(half)
    build_tokenizer(placeholders=()).save_pretrained(half)
    stage1 = original.save_stage1(tmp_path / "run", llm, tower)
    assert {value.dtype for value in load(stage1, str(half)).model.parameters()} == {torch.bfloat16}
    assert load(stage1, str(half), dtype="float32").model.dtype == torch.float32


# Full checkpoints and LoRA


@pytest.mark.parametrize("own_tower", [False, True], ids=["named tower", "own tower"])
def test_full_checkpoint_of_an_unlocked_llm(llm, tower, tmp_path, own_tower):
    trained = original.save_llm(tmp_path / "trained", seed=77)
    state = {**original.llm_state(trained), **original.projector_state("mlp2x_gelu")}
    config = original.config_of(llm, tower)  # with tune_mm_mlp_adapter, so this is a stage 1
    if own_tower:
        tower = original.save_tower(tmp_path / "clip", seed=78)
        for name, value in CLIPVisionModel.from_pretrained(tower).state_dict().items():
            inner = name.removeprefix("vision_model.")
            state[f"model.vision_tower.vision_tower.vision_model.{inner}"] = value
    loaded = load(original.save_full(tmp_path / "full", config, state))
    assert_spliced(loaded.model, loaded.processor, BOS, image_rows(tower), CAPTION, llm=trained)


def test_full_checkpoint_of_stage_2_speaks_vicuna(llm, tower, tmp_path):
    config = original.config_of(llm, tower, tune_mm_mlp_adapter=False)
    state = {**original.llm_state(llm), **original.projector_state("mlp2x_gelu")}
    loaded = load(original.save_full(tmp_path / "full", config, state))
    pieces = (BOS + VICUNA_BEFORE, image_rows(tower), VICUNA_AFTER)
    assert_spliced(loaded.model, loaded.processor, *pieces, llm=llm)


def test_full_checkpoint_that_is_called_stage_1_speaks_plainly(llm, tower, tmp_path):
    config = original.config_of(llm, tower, tune_mm_mlp_adapter=False)
    state = {**original.llm_state(llm), **original.projector_state("mlp2x_gelu")}
    loaded = load(original.save_full(tmp_path / "full", config, state), stage=1)
    assert_spliced(loaded.model, loaded.processor, BOS, image_rows(tower), CAPTION, llm=llm)


@pytest.mark.parametrize("merge", [True, False], ids=["merged", "kept beside"])
def test_lora_adapters(llm, tower, tmp_path, merge):
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    lora = LoraConfig(r=4, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    wrapped = get_peft_model(LlamaForCausalLM.from_pretrained(llm), lora)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    wrapped.save_pretrained(tmp_path / "run")
    others = original.projector_state("mlp2x_gelu", prefix="base_model.model.model.")
    original.write(tmp_path / "run", original.config_of(llm, tower), non_lora_trainables=others)
    trained = wrapped.get_base_model().eval()
    pieces = (BOS, image_rows(tower), CAPTION)
    loaded = load(tmp_path / "run", str(llm), merge_lora=merge)
    assert_spliced(loaded.model, loaded.processor, *pieces, llm=trained)
    assert any("lora" in name for name, _ in loaded.model.named_parameters()) != merge
    again = load(convert(tmp_path / "run", tmp_path / "converted", base_llm=str(llm)))
    assert_spliced(again.model, again.processor, *pieces, llm=trained)
