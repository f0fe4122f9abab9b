"""Checkpoints in the original layouts against an independent splice of their raw parts."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from transformers import (
    CLIPImageProcessor,
    CLIPVisionModel,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    SiglipImageProcessor,
    SiglipVisionModel,
)

from mir_task import measure
from mir_task.adapters import adapter_for
from mir_task.checkpoints import convert, load
from mir_task.checkpoints.__main__ import main
from mir_task.demo.checkpoint import build_tokenizer
from tests.checkpoints import original

IMAGE = Image.linear_gradient("L").resize((90, 60)).convert("RGB")
TEXT = "A grey slope, dark above and bright below."
TYPES = ["linear", "mlp1x_gelu", "mlp2x_gelu", "mlp3x_gelu", "mlp5x_gelu"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Folders of an LLM and of a CLIP tower."""
    folder = tmp_path_factory.mktemp("base")
    return original.save_llm(folder / "llm"), original.save_tower(folder / "clip")


# The oracle


def pixels(tower, image=IMAGE):
    cls = CLIPImageProcessor if "clip" in tower.name else SiglipImageProcessor
    return cls.from_pretrained(tower)(image, return_tensors="pt")["pixel_values"]


def image_rows(tower, projector_type="mlp2x_gelu", layer=-2, skip=1, image=IMAGE, **sizes):
    cls = CLIPVisionModel if "clip" in tower.name else SiglipVisionModel
    with torch.no_grad():
        states = (
            cls.from_pretrained(tower).eval()(pixels(tower, image), output_hidden_states=True).hidden_states
        )
        rows = states[layer][0, skip:]
        for index, (_, weight, bias) in enumerate(original.linears(projector_type, **sizes)):
            rows = F.linear(F.gelu(rows) if index else rows, weight, bias)
    return rows


def splice(llm, *parts, table=None):
    """Hidden states of an LLM over texts (token ids) and rows, one after another."""
    model = LlamaForCausalLM.from_pretrained(llm).eval() if not isinstance(llm, LlamaForCausalLM) else llm
    table = model.model.embed_tokens.weight if table is None else table
    rows = [table[part] if isinstance(part, list) else part for part in parts]
    with torch.no_grad():
        states = model(inputs_embeds=torch.cat(rows)[None], output_hidden_states=True).hidden_states
    return [state[0] for state in states]


def ids(text):
    return build_tokenizer(placeholders=())(text, add_special_tokens=False)["input_ids"]


BOS = [1]


def hidden_states(model, processor, image=IMAGE, text=TEXT):
    inputs = adapter_for(model, processor).prepare(image, text, 1024)
    with torch.no_grad():
        return [state[0] for state in model(**inputs, output_hidden_states=True).hidden_states]


def assert_equal(ours, expected, tolerance=2e-5):
    assert len(ours) == len(expected) == original.LAYERS + 1
    for layer, (one, other) in enumerate(zip(ours, expected, strict=True)):
        assert one.shape == other.shape
        assert (one - other).abs().max() < tolerance, f"layer {layer}"


# LLaVA's stage 1


@pytest.mark.parametrize("projector_type", TYPES)
def test_stage_1_and_its_conversion_equal_the_splice(base, tmp_path, projector_type):
    llm, tower = base
    stage1 = original.save_stage1(tmp_path / "stage1", llm, tower, projector_type)
    expected = splice(llm, BOS, image_rows(tower, projector_type), ids("\n" + TEXT))
    loaded = load(stage1, str(llm))
    assert_equal(hidden_states(loaded.model, loaded.processor), expected)

    again = load(convert(stage1, tmp_path / "converted", base_llm=str(llm)))
    assert all(
        torch.equal(one, other)
        for one, other in zip(
            hidden_states(loaded.model, loaded.processor),
            hidden_states(again.model, again.processor),
            strict=True,
        )
    )
    stock = projector_type in ("linear", "mlp1x_gelu", "mlp2x_gelu")
    assert again.model.config.model_type == ("llava" if stock else "llava_pretrain")
    assert (type(again.model) is LlavaForConditionalGeneration) == stock


@pytest.mark.parametrize("where", ["folder", "file", "intermediate", "original_intermediate"])
def test_every_place_where_the_original_code_puts_a_projector(base, tmp_path, where):
    llm, tower = base
    run = tmp_path / "run"
    if where == "original_intermediate":
        original.write(run, original.config_of(llm, tower))
        original.write(
            run / "mm_projector", None, **{"checkpoint-10": original.projector_state("mlp2x_gelu")}
        )
        path = run / "mm_projector" / "checkpoint-10.bin"
    else:
        folder = original.save_stage1(run / "checkpoint-10" if where == "intermediate" else run, llm, tower)
        path = folder / "mm_projector.bin" if where == "file" else folder
    loaded = load(path, str(llm))
    expected = splice(llm, BOS, image_rows(tower), ids("\n" + TEXT))
    assert_equal(hidden_states(loaded.model, loaded.processor), expected)


def test_explicit_arguments_win_over_the_config(base, tmp_path):
    llm, tower = base
    stage1 = original.save_stage1(tmp_path / "run", llm, "/nowhere", mm_vision_select_feature="patch")
    loaded = load(
        stage1, str(llm), str(tower), mm_vision_select_layer=-1, mm_vision_select_feature="cls_patch"
    )
    expected = splice(llm, BOS, image_rows(tower, layer=-1, skip=0), ids("\n" + TEXT))
    assert len(expected[0]) == 1 + original.ROWS + 1 + len(ids("\n" + TEXT))
    assert_equal(hidden_states(loaded.model, loaded.processor), expected)


def test_projector_file_without_a_config(base, tmp_path):
    llm, tower = base
    original.write(tmp_path / "run", None, mm_projector=original.projector_state("mlp3x_gelu"))
    loaded = load(tmp_path / "run" / "mm_projector.bin", str(llm), str(tower))
    expected = splice(llm, BOS, image_rows(tower, "mlp3x_gelu"), ids("\n" + TEXT))
    assert_equal(hidden_states(loaded.model, loaded.processor), expected)


def test_siglip_has_no_class_token_to_drop(base, tmp_path):
    llm, _ = base
    tower = original.save_tower(tmp_path / "siglip", "siglip")
    loaded = load(original.save_stage1(tmp_path / "run", llm, tower), str(llm))
    expected = splice(llm, BOS, image_rows(tower, skip=0), ids("\n" + TEXT))
    assert_equal(hidden_states(loaded.model, loaded.processor), expected)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_aspect_ratio_pad_is_a_square_of_the_mean_colour(base, tmp_path, kind):
    llm, _ = base
    tower = original.save_tower(tmp_path / kind, kind)
    loaded = load(original.save_stage1(tmp_path / "run", llm, tower, image_aspect_ratio="pad"), str(llm))
    processor = (CLIPImageProcessor if kind == "clip" else SiglipImageProcessor).from_pretrained(tower)
    square = Image.new("RGB", (90, 90), tuple(int(255 * channel) for channel in processor.image_mean))
    square.paste(IMAGE, (0, 15))
    ours = adapter_for(loaded.model, loaded.processor).prepare(IMAGE, TEXT, 99)["pixel_values"]
    # One resizes before and the other after pixels become floats.
    assert (ours - pixels(tower, square)).abs().max() < 0.05
    assert (ours - pixels(tower)).abs().max() > 0.5


@pytest.mark.parametrize("whole_table", [True, False])
def test_start_and_end_tokens_with_their_trained_rows(base, tmp_path, whole_table):
    llm, tower = base
    table = LlamaForCausalLM.from_pretrained(llm).model.embed_tokens.weight.detach()
    new = torch.randn(2, original.WIDTH, generator=torch.Generator().manual_seed(9))
    # All rows are trained in that mode, and the file has them all.
    table = torch.cat([table + 0.01 if whole_table else table, new])
    stage1 = original.save_stage1(
        tmp_path / "run",
        llm,
        tower,
        state={"model.embed_tokens.weight": table if whole_table else new},
        mm_use_im_start_end=True,
    )
    start, end = len(table) - 2, len(table) - 1
    expected = splice(llm, [*BOS, start], image_rows(tower), [end, *ids("\n" + TEXT)], table=table)
    loaded = load(stage1, str(llm))
    assert_equal(hidden_states(loaded.model, loaded.processor), expected)
    again = load(convert(stage1, tmp_path / "converted", base_llm=str(llm)))
    assert_equal(hidden_states(again.model, again.processor), expected)


def test_tied_embeddings_survive_conversion(tmp_path):
    llm, tower = original.save_llm(tmp_path / "llm", tie=True), original.save_tower(tmp_path / "clip")
    stage1 = original.save_stage1(tmp_path / "run", llm, tower)
    again = load(convert(stage1, tmp_path / "converted", base_llm=str(llm))).model
    assert again.lm_head.weight is again.get_input_embeddings().weight


def test_dtype_is_the_llms_unless_named(base, tmp_path):
    llm, tower = base
    half = tmp_path / "half"
    LlamaForCausalLM.from_pretrained(llm).bfloat16().save_pretrained(half)
    build_tokenizer(placeholders=()).save_pretrained(half)
    stage1 = original.save_stage1(tmp_path / "run", llm, tower)
    dtypes = {p.dtype for p in load(stage1, str(half)).model.parameters()}
    assert dtypes == {torch.bfloat16}
    assert load(stage1, str(half), dtype="float32").model.dtype == torch.float32


# Full checkpoints and LoRA


@pytest.mark.parametrize("own_tower", [False, True])
def test_full_checkpoint_of_an_unlocked_llm(base, tmp_path, own_tower):
    llm, tower = base
    trained = original.save_llm(tmp_path / "trained", seed=77)
    state = {**original.llm_state(trained), **original.projector_state("mlp2x_gelu")}
    if own_tower:
        tower = original.save_tower(tmp_path / "clip", seed=78)
        for name, value in CLIPVisionModel.from_pretrained(tower).state_dict().items():
            inner = name.removeprefix("vision_model.")
            state[f"model.vision_tower.vision_tower.vision_model.{inner}"] = value
    full = original.write(tmp_path / "full", original.config_of(llm, base[1]), pytorch_model=state)
    build_tokenizer(placeholders=()).save_pretrained(full)
    loaded = load(full)  # tune_mm_mlp_adapter: a stage 1
    expected = splice(trained, BOS, image_rows(tower), ids("\n" + TEXT))
    assert_equal(hidden_states(loaded.model, loaded.processor), expected)


def test_full_checkpoint_of_stage_2_speaks_vicuna(base, tmp_path):
    llm, tower = base
    config = original.config_of(llm, tower, tune_mm_mlp_adapter=False)
    state = {**original.llm_state(llm), **original.projector_state("mlp2x_gelu")}
    full = original.write(tmp_path / "full", config, pytorch_model=state)
    build_tokenizer(placeholders=()).save_pretrained(full)
    loaded = load(full)
    system = (
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
        "detailed, and polite answers to the user's questions. "
    )
    expected = splice(
        llm, BOS + ids(system + "USER: "), image_rows(tower), ids("\n ASSISTANT: " + TEXT + "</s>")
    )
    assert_equal(hidden_states(loaded.model, loaded.processor), expected)
    unlocked = load(full, stage=1)
    expected = splice(llm, BOS, image_rows(tower), ids("\n" + TEXT))
    assert_equal(hidden_states(unlocked.model, unlocked.processor), expected)


@pytest.mark.parametrize("merge", [True, False])
def test_lora_adapters(base, tmp_path, merge):
    from peft import LoraConfig, get_peft_model

    llm, tower = base
    torch.manual_seed(5)
    targets = ["q_proj", "down_proj"]
    wrapped = get_peft_model(
        LlamaForCausalLM.from_pretrained(llm), LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM")
    )
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    wrapped.save_pretrained(tmp_path / "run")
    others = original.projector_state("mlp2x_gelu", prefix="base_model.model.model.")
    original.write(tmp_path / "run", original.config_of(llm, tower), non_lora_trainables=others)
    expected = splice(wrapped.get_base_model().eval(), BOS, image_rows(tower), ids("\n" + TEXT))
    loaded = load(tmp_path / "run", str(llm), merge_lora=merge)
    assert_equal(hidden_states(loaded.model, loaded.processor), expected)
    assert any("lora" in name for name, _ in loaded.model.named_parameters()) != merge
    again = load(convert(tmp_path / "run", tmp_path / "converted", base_llm=str(llm)))
    assert_equal(hidden_states(again.model, again.processor), expected)


# AlignGPT


def test_align_stage_1_is_a_family_of_eight(base, tmp_path):
    llm, tower = base
    stage1 = original.save_align1(tmp_path / "run", llm, tower)
    loaded = load(stage1, str(llm))
    assert list(loaded.variants) == [f"align_level_{level}" for level in range(8)]
    indicators = original.align_state()["align_indicators.indicator_embs"]
    for level, processor in enumerate(loaded.variants.values()):
        expected = splice(llm, BOS, indicators[level : level + 1], image_rows(tower), ids(TEXT))
        assert_equal(hidden_states(loaded.model, processor), expected)


def test_align_stage_1_of_one_level_is_an_ordinary_llava(base, tmp_path):
    llm, tower = base
    stage1 = original.save_align1(tmp_path / "run", llm, tower)
    converted = convert(stage1, tmp_path / "converted", base_llm=str(llm), align_level=3)
    model = LlavaForConditionalGeneration.from_pretrained(converted).eval()
    processor = load(converted).processor
    indicators = original.align_state()["align_indicators.indicator_embs"]
    expected = splice(llm, BOS, indicators[3:4], image_rows(tower), ids(TEXT))
    assert_equal(hidden_states(model, processor), expected)
    assert_equal(
        hidden_states(model, load(converted, align_level=5).processor),
        splice(llm, BOS, indicators[5:6], image_rows(tower), ids(TEXT)),
    )


def gate(rows, tokens):
    """families.md's formula: dots with the mean text embedding, two layers, softmax, sum w_i E[i] + E[7]."""
    state = original.align_state(gate=True)
    indicators = state["align_indicators.indicator_embs"]
    weights = [
        state[f"gated_weight_layer.mlp.{name}"] for name in ("0.weight", "0.bias", "2.weight", "2.bias")
    ]
    dots = rows @ tokens.mean(0)
    scores = F.linear(F.gelu(F.linear(dots, *weights[:2])), *weights[2:])
    assert scores.softmax(0).max() < 0.99  # all indicators count, so that a wrong one would show
    return (scores.softmax(0) @ indicators[:7] + indicators[7])[None]


@pytest.mark.parametrize("conversation", ["plain", "vicuna_v1"])
def test_align_stage_2_computes_its_gate(base, tmp_path, conversation):
    llm, tower = base
    stage2 = original.save_align2(tmp_path / "run", llm, tower)
    loaded = load(stage2, conversation=conversation)
    inputs = adapter_for(loaded.model, loaded.processor).prepare(IMAGE, TEXT, 1024)["input_ids"][0].tolist()
    start = inputs.index(loaded.model.config.image_token_index)
    before, after = inputs[2:start], inputs[start + original.ROWS :]
    table = LlamaForCausalLM.from_pretrained(llm).model.embed_tokens.weight.detach()
    rows = image_rows(tower)
    expected = splice(llm, BOS, gate(rows, table[before + after]), *([before] if before else []), rows, after)
    assert inputs[:2] == [*BOS, loaded.model.config.align_token_index]
    assert (before, after) == ([], ids(TEXT)) if conversation == "plain" else before
    assert_equal(hidden_states(loaded.model, loaded.processor), expected)
    again = load(convert(stage2, tmp_path / "converted", conversation=conversation))
    assert_equal(hidden_states(again.model, again.processor), expected)


def test_align_gate_ignores_padding_and_generates(base, tmp_path):
    llm, tower = base
    loaded = load(original.save_align2(tmp_path / "run", llm, tower), conversation="plain")
    model, processor = loaded.model, loaded.processor
    texts = [f"<align><image>{text}" for text in ("Short.", TEXT)]
    alone = [processor(text=[text], images=[IMAGE], return_tensors="pt") for text in texts]
    with torch.no_grad():
        single = [model(**inputs).logits[0, -1] for inputs in alone]
        for side in ("left", "right"):
            processor.tokenizer.padding_side = side
            batch = processor(text=texts, images=[IMAGE, IMAGE], return_tensors="pt", padding=True)
            logits = model(**batch).logits
            last = batch["attention_mask"].cumsum(1).argmax(1)
            for index in range(2):
                assert torch.allclose(logits[index, last[index]], single[index], atol=1e-4)
    generated = model.generate(**alone[0], max_new_tokens=4, do_sample=False)
    assert generated.shape[1] == alone[0]["input_ids"].shape[1] + 4
    assert generated[0, -4] == single[0].argmax()


@pytest.mark.parametrize("stage", [1, 2])
def test_align_vector_belongs_to_neither_modality(base, tmp_path, stage, pairs):
    # The first pair's positions are checked by provenance, too: an align row taken for vision would be an error.
    llm, tower = base
    save = original.save_align1 if stage == 1 else original.save_align2
    loaded = load(
        save(tmp_path / "run", llm, tower), *([str(llm)] if stage == 1 else []), conversation="plain"
    )
    result = measure(loaded.model, loaded.processor, pairs, progress=False, max_text_tokens=100)
    assert (result.vision_tokens_per_pair, result.text_tokens_per_pair) == (original.ROWS, 100)


# The command


def test_convert_command(base, tmp_path, capsys):
    llm, tower = base
    stage1 = original.save_stage1(tmp_path / "run", llm, tower)
    command = ["convert", str(stage1), "--base_llm", str(llm), "--output", str(tmp_path / "converted")]
    assert main(command) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "converted")
    assert LlavaForConditionalGeneration.from_pretrained(tmp_path / "converted")
    assert main(command) == 1
    assert "converted is not empty" in capsys.readouterr().err
