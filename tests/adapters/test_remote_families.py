"""Families of remote code, by stand-ins that enter vision as they do, some through lmms-eval's own classes."""

import pytest
from lmms_eval.models.simple.cogvlm2 import CogVLM2
from loguru import logger

from mir_task import MIRModelError, measure
from mir_task.adapters import Pipeline, adapter_for
from mir_task.adapters.decoder import find_decoder
from mir_task.lmms.backend import model_and_processor
from tests.adapters import stand_ins
from tests.adapters.examples import PAIRS, SQUARE, TEXTS, WIDE, masks, positions
from tests.adapters.lmms_stand_ins import GLM4V, Chat, Simple, lmms_eval_model
from tests.adapters.stand_ins import PATH_TOKENS, ROWS, SPECIAL_IDS, TOKENIZER
from tests.hooks import hooks

# InternVL


@pytest.mark.parametrize(
    ("image", "tiles"),
    [
        pytest.param(SQUARE.resize((28, 28)), 1, id="one tile"),
        pytest.param(WIDE, 3, id="two tiles and a thumbnail"),
    ],
)
def test_internvl_chat_cuts_tiles_and_writes_their_context_tokens(image, tiles):
    adapter = adapter_for(stand_ins.InternVLChatModel(), TOKENIZER)
    inputs = adapter.prepare(image, "A ferry.", 100)
    assert len(inputs["pixel_values"]) == tiles
    assert (inputs["input_ids"] == SPECIAL_IDS["<IMG_CONTEXT>"]).sum() == ROWS * tiles


def test_internvl_chat_fills_its_conversation_template():
    adapter = adapter_for(stand_ins.InternVLChatModel(), TOKENIZER)
    ids = adapter.prepare(WIDE, "A ferry.", 100)["input_ids"][0]
    assert TOKENIZER.decode(ids).replace("<IMG_CONTEXT>", "").removeprefix("<s>") == (
        "<|im_start|>system\nAnswer briefly.<|im_end|>\n<|im_start|>user\n<img></img>\n<|im_end|>\n"
        "<|im_start|>assistant\nA ferry.<|im_end|>\n"
    )


def test_internvl_chats_rows_are_those_of_its_tiles():
    vision, text = masks(stand_ins.InternVLChatModel(), TOKENIZER, index=1)
    assert vision.sum() == 3 * ROWS
    assert text.sum() == len(text) - positions(vision)[-1] - 1


# Qwen-VL


@pytest.mark.parametrize(
    ("chat", "template"),
    [pytest.param(True, "chat_template", id="chat"), pytest.param(False, "plain", id="base")],
)
def test_qwen_vl_reads_the_image_from_the_path_among_the_tokens(chat, template):
    model = stand_ins.QWenLMHeadModel(chat)
    vision, text = masks(model, stand_ins.QWenTokenizer())
    first = positions(vision)[0]
    assert positions(vision) == list(range(first, first + PATH_TOKENS))
    assert text.sum() > len(TEXTS[0])
    result = measure(model, stand_ins.QWenTokenizer(), PAIRS, progress=False)
    assert result.protocol.template == template


def test_qwen_vl_reads_a_placeholder_in_a_text_as_text():
    def mir(text):
        pairs = [(SQUARE, text), PAIRS[0]]
        return measure(stand_ins.QWenLMHeadModel(), stand_ins.QWenTokenizer(), pairs, progress=False).mir

    assert mir("An <img> of a ferry.") == mir("An < img> of a ferry.")


# lmms-eval's own pipeline


def test_cogvlm2_through_lmms_evals_class():
    lm = lmms_eval_model(CogVLM2, stand_ins.OverwritingModel())
    model, processor = model_and_processor(lm)
    assert isinstance(processor, Pipeline)
    # The vision tower inside the language model has more layers than the decoder.
    assert find_decoder(model).layers is model.model.layers
    vision, text = masks(model, processor)
    assert positions(vision) == [1, 2, 3, 4]
    assert text.sum() == len(TEXTS[0]) + len(" Question:  Answer:")
    result = measure(model, processor, PAIRS, progress=False)
    assert (result.protocol.template, result.model.adapter) == ("user_turn", "own pipeline")
    assert len(result.protocol.template_sha256) == 64
    assert lm.task_dict == {}
    assert not result.model.cross_attention


def test_cogagents_second_branch_is_reported_as_not_seen():
    stand_in = stand_ins.OverwritingModel(cross_attention=True)
    model, processor = model_and_processor(lmms_eval_model(CogVLM2, stand_in))
    messages = []
    sink = logger.add(messages.append)
    result = measure(model, processor, PAIRS, progress=False)
    logger.remove(sink)
    assert result.model.cross_attention
    assert "have cross-attention; vision that enters by it is in no row" in "".join(messages)


@pytest.mark.parametrize("cls", [Simple, Chat])
@pytest.mark.parametrize("padded_to", [0, 400])
@pytest.mark.parametrize("index", [0, 1])
def test_spliced_rows_are_found_beside_padding_of_zeros(cls, padded_to, index):
    model, processor = model_and_processor(cls(stand_ins.SplicingModel(padded_to)))
    vision, text = masks(model, processor, index)
    first = len("USER: ") + 1
    end = first + ROWS + len(f"\n{TEXTS[index]} ASSISTANT:")
    assert positions(vision) == list(range(first, first + ROWS))
    assert positions(text) == list(range(first + ROWS, end))
    assert len(vision) == (padded_to or end)


@pytest.mark.parametrize("cls", [Simple, Chat])
def test_a_pipeline_is_ended_before_its_answer(cls):
    lm = cls(stand_ins.SplicingModel())
    result = measure(*model_and_processor(lm), PAIRS, progress=False)
    assert (result.vision_tokens_per_pair, result.protocol.template) == (ROWS, "user_turn")
    assert lm.answers == 0


def test_rows_do_not_depend_on_padding():
    plain, padded = (
        measure(*model_and_processor(Simple(stand_ins.SplicingModel(to))), PAIRS, progress=False)
        for to in (0, 400)
    )
    assert padded.mir == pytest.approx(plain.mir, abs=1e-5)


def test_splice_before_an_encoder_of_other_names():
    model, processor = model_and_processor(GLM4V(stand_ins.SplicingEncoder()))
    decoder = find_decoder(model)
    assert decoder.layers is model.transformer.encoder.layers
    assert decoder.norm is model.transformer.encoder.final_layernorm
    vision, text = masks(model, processor)
    first = len("USER: ") + 1 + 1  # after BOS and <|begin_of_image|>
    assert positions(vision) == list(range(first, first + ROWS))
    assert text.sum() == len(f"\n{TEXTS[0]} ASSISTANT:") + 1


def test_texts_are_cut_before_the_pipeline_sees_them():
    model, processor = model_and_processor(Simple(stand_ins.SplicingModel()))
    result = measure(model, processor, PAIRS, max_text_tokens=5, progress=False)
    assert result.text_tokens_per_pair == 5 + len("\n ASSISTANT:")


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("{} <image> ?", id="text before the image"),
        pytest.param("cut <image> ?", id="no text"),
    ],
)
def test_a_pipeline_with_the_text_elsewhere_is_refused(prompt):
    model, processor = model_and_processor(Simple(stand_ins.SplicingModel(), prompt))
    message = r"pair pair 0: .* leaves 2 positions after the image, the text alone has 21 tokens"
    with pytest.raises(MIRModelError, match=message):
        measure(model, processor, PAIRS, progress=False)


def test_vision_that_never_enters_the_sequence_is_refused():
    lm = Simple(stand_ins.SplicingModel(cross_attention_only=True))
    with pytest.raises(MIRModelError, match="no vision rows enter the decoder .* cross-attention"):
        measure(*model_and_processor(lm), PAIRS, progress=False)


def test_a_pipeline_that_fails_says_how():
    lm = Simple(stand_ins.SplicingModel(), prompt="no image")
    message = r"pair pair 0: the model's own input pipeline failed .* ValueError"
    with pytest.raises(MIRModelError, match=message):
        measure(*model_and_processor(lm), PAIRS, progress=False)
    assert lm.task_dict == {}


def test_hooks_are_gone_after_a_pipeline_was_ended():
    model, processor = model_and_processor(Simple(stand_ins.SplicingModel()))
    before = hooks(model)
    measure(model, processor, PAIRS, progress=False)
    assert hooks(model) == before
