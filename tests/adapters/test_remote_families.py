"""Families of remote code, by stand-ins that enter vision as they do, some through lmms-eval's own classes."""

import pytest
import torch
from lmms_eval.api.model import lmms
from lmms_eval.models.simple.cogvlm2 import CogVLM2
from loguru import logger

from mir_task import MIRDataError, MIRModelError, measure
from mir_task.adapters import Pipeline, adapter_for
from mir_task.adapters.capture import capture_layers
from mir_task.adapters.decoder import find_decoder
from mir_task.adapters.positions import find_positions
from mir_task.adapters.provenance import record_provenance
from mir_task.lmms.backend import model_and_processor
from tests.adapters import stand_ins
from tests.adapters.stand_ins import IMAGE_ID, ROWS, SPECIAL_IDS, TOKENIZER, pixels
from tests.adapters.test_families import IMAGES, PAIRS, TEXTS


def masks(model, processor, index=0):
    """Vision and text positions of a pair, and its rows."""
    adapter = adapter_for(model, processor)
    inputs = adapter.prepare(IMAGES[index], TEXTS[index], 1000)
    found = []

    def positions():
        found.extend(find_positions(adapter, inputs, adapter.vision_mask(inputs), provenance))
        return found

    with (
        torch.inference_mode(),
        record_provenance(adapter.decoder) as provenance,
        capture_layers(adapter.decoder, positions, adapter.stop_after_prefill) as rows,
    ):
        adapter.prefill(inputs)
    assert len(rows.vision) == 4
    return found


def runs(mask):
    return mask.nonzero().flatten().tolist()


# InternVL


def test_internvl_chat_tiles_the_image_and_writes_rows_in_place():
    model = stand_ins.InternVLChatModel()
    adapter = adapter_for(model, TOKENIZER)
    for image, tiles in ((IMAGES[0].resize((28, 28)), 1), (IMAGES[1], 3)):  # two tiles and a thumbnail
        inputs = adapter.prepare(image, "A ferry.", 100)
        assert len(inputs["pixel_values"]) == tiles
        assert (inputs["input_ids"] == SPECIAL_IDS["<IMG_CONTEXT>"]).sum() == ROWS * tiles
    prompt = TOKENIZER.decode(inputs["input_ids"][0]).replace("<IMG_CONTEXT>", "").removeprefix("<s>")
    assert prompt == (
        "<|im_start|>system\nAnswer briefly.<|im_end|>\n<|im_start|>user\n<img></img>\n<|im_end|>\n"
        "<|im_start|>assistant\nA ferry.<|im_end|>\n"
    )
    vision, text = masks(model, TOKENIZER, index=1)
    assert vision.sum() == 3 * ROWS
    assert text.sum() == len(text) - runs(vision)[-1] - 1


# Qwen-VL


@pytest.mark.parametrize("chat", [True, False])
def test_qwen_vl_reads_the_image_from_the_path_among_the_tokens(chat):
    model = stand_ins.QWenLMHeadModel(chat)
    vision, text = masks(model, stand_ins.QWenTokenizer())
    assert vision.sum() == 256
    assert runs(vision) == list(range(runs(vision)[0], runs(vision)[0] + 256))
    assert text.sum() > len(TEXTS[0])
    result = measure(model, stand_ins.QWenTokenizer(), PAIRS, progress=False)
    assert result.protocol.template == ("chat_template" if chat else "plain")
    with pytest.raises(MIRDataError, match="image placeholder '<img>'"):
        measure(model, stand_ins.QWenTokenizer(), [(IMAGES[0], "<img>"), PAIRS[0]], progress=False)


# lmms-eval's own pipeline


def lmms_eval_model(cls, model):
    """An object of one of lmms-eval's classes without its constructor, which loads from the hub."""
    lm = cls.__new__(cls)
    lmms.__init__(lm)
    lm._model, lm._tokenizer, lm._device, lm.dtype = model, TOKENIZER, "cpu", model.dtype
    lm.batch_size_per_gpu = 1
    return lm


def test_cogvlm2_through_lmms_evals_class():
    lm = lmms_eval_model(CogVLM2, stand_ins.CogVLMForCausalLM())
    model, processor = model_and_processor(lm)
    assert isinstance(processor, Pipeline)
    # The vision tower inside the language model has more layers than the decoder.
    assert find_decoder(model).layers is model.model.layers
    vision, text = masks(model, processor)
    assert runs(vision) == [1, 2, 3, 4]
    assert text.sum() == len(TEXTS[0]) + len(" Question:  Answer:")
    result = measure(model, processor, PAIRS, progress=False)
    assert (result.protocol.template, result.model.adapter) == ("user_turn", "own pipeline")
    assert len(result.protocol.template_sha256) == 64
    assert lm.task_dict == {}
    assert not result.model.cross_attention


def test_cogagents_second_branch_is_reported_as_not_seen():
    model, processor = model_and_processor(
        lmms_eval_model(CogVLM2, stand_ins.CogVLMForCausalLM(cross_attention=True))
    )
    messages = []
    sink = logger.add(messages.append)
    result = measure(model, processor, PAIRS, progress=False)
    logger.remove(sink)
    assert result.model.cross_attention
    assert "have cross-attention; vision that enters by it is in no row" in "".join(messages)


class Simple(lmms):
    """A class as many of lmms-eval's are: a tokenizer, a torch model, errors caught and logged."""

    def __init__(self, model, prompt="<s>USER: <image>\n{} ASSISTANT:"):
        super().__init__()
        self._model, self._tokenizer, self.prompt, self.passes = model, TOKENIZER, prompt, 0

    def loglikelihood(self, requests):
        raise NotImplementedError

    def generate_until_multi_round(self, requests):
        raise NotImplementedError

    def question(self, args):
        text, kwargs, doc_to_visual, doc_id, task, split = args
        return text, kwargs, doc_to_visual(self.task_dict[task][split][doc_id])[0]

    def generate_until(self, requests):
        answers = []
        for request in requests:
            text, kwargs, image = self.question(request.args)
            before, after = self.prompt.format(text).split("<image>")
            try:
                self.forward(before, after, image)
                self.passes += kwargs["max_new_tokens"]
            except Exception as error:
                logger.error(f"Error {error} in generating")
                raise UnboundLocalError("answer") from None
            answers.append("")
        return answers

    def forward(self, before, after, image):
        parts = [TOKENIZER(part, add_special_tokens=False)["input_ids"] for part in (before, after)]
        self._model(torch.tensor([[*parts[0], IMAGE_ID, *parts[1]]]), pixels(image).to(self._model.dtype))


class Chat(Simple):
    is_simple = False

    def question(self, args):
        _text, doc_to_messages, kwargs, doc_id, task, split = args
        image, text = doc_to_messages(self.task_dict[task][split][doc_id])[0]["content"]
        return text["text"], kwargs, image["url"]


class GLM4V(Simple):
    def forward(self, before, after, image):
        ids = TOKENIZER(
            f"{before}<|begin_of_image|>x<|end_of_image|>{after}",
            add_special_tokens=False,
            return_tensors="pt",
        )
        self._model.transformer(ids["input_ids"], pixels(image))


@pytest.mark.parametrize("cls", [Simple, Chat])
@pytest.mark.parametrize("padded_to", [0, 400])
def test_spliced_rows_and_padding_of_zeros(cls, padded_to):
    lm = cls(stand_ins.LlavaLlamaForCausalLM(padded_to))
    model, processor = model_and_processor(lm)
    before = len("USER: ") + 1
    for index, text in enumerate(TEXTS):
        vision, text_mask = masks(model, processor, index)
        assert len(vision) == (padded_to or before + ROWS + len(f"\n{text} ASSISTANT:"))
        assert runs(vision) == list(range(before, before + ROWS))
        assert runs(text_mask) == list(range(before + ROWS, before + ROWS + len(f"\n{text} ASSISTANT:")))
    result = measure(model, processor, PAIRS, progress=False)
    assert (result.vision_tokens_per_pair, result.protocol.template) == (ROWS, "user_turn")
    assert lm.passes == 0  # each was ended before its answer


def test_rows_do_not_depend_on_padding():
    plain, padded = (
        measure(*model_and_processor(Simple(stand_ins.LlavaLlamaForCausalLM(to))), PAIRS, progress=False)
        for to in (0, 400)
    )
    assert padded.mir == pytest.approx(plain.mir, abs=1e-5)


def test_splice_before_an_encoder_of_other_names():
    lm = GLM4V(stand_ins.ChatGLMForConditionalGeneration())
    model, processor = model_and_processor(lm)
    decoder = find_decoder(model)
    assert decoder.layers is model.transformer.encoder.layers
    assert decoder.norm is model.transformer.encoder.final_layernorm
    vision, text = masks(model, processor)
    before = len("USER: ") + 1 + 1
    assert runs(vision) == list(range(before, before + ROWS))
    assert text.sum() == len(f"\n{TEXTS[0]} ASSISTANT:") + 1


def test_texts_are_cut_before_the_pipeline_sees_them():
    model, processor = model_and_processor(Simple(stand_ins.LlavaLlamaForCausalLM()))
    result = measure(model, processor, PAIRS, max_text_tokens=5, progress=False)
    assert result.text_tokens_per_pair == 5 + len("\n ASSISTANT:")


@pytest.mark.parametrize("prompt", ["{} <image>", "cut <image>"])
def test_a_pipeline_with_the_text_elsewhere_is_refused(prompt):
    model, processor = model_and_processor(Simple(stand_ins.LlavaLlamaForCausalLM(), prompt + " ?"))
    message = r"pair pair 0: .* leaves 2 positions after the image, the text alone has 21 tokens"
    with pytest.raises(MIRModelError, match=message):
        measure(model, processor, PAIRS, progress=False)


def test_vision_that_never_enters_the_sequence_is_refused():
    lm = Simple(stand_ins.LlavaLlamaForCausalLM(cross_attention_only=True))
    with pytest.raises(MIRModelError, match="no vision rows enter the decoder .* cross-attention"):
        measure(*model_and_processor(lm), PAIRS, progress=False)


def test_a_pipeline_that_fails_says_how():
    lm = Simple(stand_ins.LlavaLlamaForCausalLM(), prompt="no image")
    model, processor = model_and_processor(lm)
    with pytest.raises(
        MIRModelError, match=r"pair pair 0: the model's own input pipeline failed .* ValueError"
    ):
        measure(model, processor, PAIRS, progress=False)
    assert lm.task_dict == {}


def test_hooks_are_gone_after_a_pipeline_was_ended():
    model, processor = model_and_processor(Simple(stand_ins.LlavaLlamaForCausalLM()))
    measure(model, processor, PAIRS, progress=False)
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
