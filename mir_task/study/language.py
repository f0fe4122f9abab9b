"""Stage 0, language: a tokenizer and a small Llama trained on text about scenes and built-in passages, or SmolLM2."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, LlavaProcessor

from mir_task.builtin.drawing.chance import pick
from mir_task.data import builtin_texts
from mir_task.demo.checkpoint import CHAT_TEMPLATE, build_tokenizer
from mir_task.demo.checkpoint import PATCH_SIZE as DEMO_PATCH_SIZE
from mir_task.study import smollm2
from mir_task.study.captions import LENGTHS, caption
from mir_task.study.chat import IGNORED, chat_text
from mir_task.study.processor import llava_processor
from mir_task.study.questions import ask_any
from mir_task.study.scales import Language, Scale, Vision
from mir_task.study.training import train
from mir_task.study.world import Stream, text_example

TOKENIZER_TEXTS = 500
TURNS = 8
PASSAGE_WORDS = 60
MAX_CONTEXT = 2048
INITIALIZER_RANGE = 0.08
"""About 1/sqrt(hidden_size): with Llama's 0.02, looking things up in the context is learnt far later."""


def make_language_model(scale: Scale, processor_folder: Path, folder: Path, device: str) -> None:
    """Train a language model, or take the pre-trained one; save it and the processor into the folder."""
    if isinstance(scale.language, Language):
        train_language_model(scale, scale.language, processor_folder, folder, device)
    else:
        smollm2.save_language_model(LlavaProcessor.from_pretrained(processor_folder), folder)


def train_language_model(
    scale: Scale, settings: Language, processor_folder: Path, folder: Path, device: str
) -> None:
    """Train a language model; save it, the processor and the curve into the folder."""
    processor = LlavaProcessor.from_pretrained(processor_folder)
    torch.manual_seed(0)
    model = LlamaForCausalLM(llama_config(settings, processor.tokenizer)).to(device)

    def loss_of(step: int) -> Tensor:
        texts = [
            document(processor, index)
            for index in range(step * scale.batch_size, (step + 1) * scale.batch_size)
        ]
        batch = processor.tokenizer(
            texts,
            add_special_tokens=False,
            return_tensors="pt",
            padding=True,
            padding_side="right",
        ).to(device)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)
        loss: Tensor = model(**batch, labels=labels).loss
        return loss

    curve = train(loss_of, model.parameters(), settings.recipe, settings.steps, "stage 0: language")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    curve.to_csv(folder / "curve.csv", index=False)


def llama_config(settings: Language, tokenizer: Any) -> LlamaConfig:
    """A Llama of these sizes."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=round(8 * settings.hidden_size / 3),
        num_hidden_layers=settings.layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=MAX_CONTEXT,
        initializer_range=INITIALIZER_RANGE,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def build_processor(scale: Scale) -> LlavaProcessor:
    """CLIP preprocessing and a tokenizer: SmolLM2's, or one trained on the study's texts."""
    patch_size = scale.vision.patch_size if isinstance(scale.vision, Vision) else DEMO_PATCH_SIZE
    if not isinstance(scale.language, Language):
        return llava_processor(smollm2.build_tokenizer(), patch_size, smollm2.CHAT_TEMPLATE)
    bare = build_tokenizer(texts=["USER: ASSISTANT:"], vocabulary=300)
    processor = llava_processor(bare, patch_size, CHAT_TEMPLATE)
    texts = chain(builtin_texts(), (document(processor, index) for index in range(TOKENIZER_TEXTS)))
    tokenizer = build_tokenizer(texts=texts, vocabulary=scale.language.vocabulary)
    return llava_processor(tokenizer, patch_size, CHAT_TEMPLATE)


def document(processor: Any, index: int) -> str:
    """Training text number ``index`` of the language model, mostly a whole conversation.

    A part of a built-in passage; a description; or a conversation in which a description stands where the image
    will stand, and is repeated, told again in another length, or asked about.
    """
    scene, random = text_example("train", Stream.TEXT, index)
    bos, eos = processor.tokenizer.bos_token, processor.tokenizer.eos_token
    kind = random.random()
    description = caption(scene, pick(random, LENGTHS[2:]), random)
    if kind < 0.05:
        words = pick(random, builtin_texts()).split(" ")
        start = int(random.integers(0, max(1, len(words) - PASSAGE_WORDS)))
        return f"{bos}{' '.join(words[start : start + PASSAGE_WORDS])}{eos}"
    if kind < 0.1:
        return f"{bos}{description}{eos}"
    if kind < 0.25:
        turns = [(description, description)]
    elif kind < 0.35:
        turns = [(description, caption(scene, pick(random, LENGTHS[:3]), random))]
    else:
        first, *others = ask_any(scene, TURNS, random)
        turns = [(f"{description}\n{first.question}", first.answer), *others]
    return f"{bos}{chat_text(processor, turns)}"
