"""Stage 0, language: a tokenizer and a small Llama trained on text about scenes and on the built-in passages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import CLIPImageProcessor, LlamaConfig, LlamaForCausalLM, LlavaProcessor

from mir_task.builtin.drawing.chance import pick
from mir_task.data import builtin_texts
from mir_task.demo.checkpoint import CHAT_TEMPLATE, build_tokenizer
from mir_task.study.captions import LENGTHS, caption
from mir_task.study.chat import chat_text
from mir_task.study.picture import IMAGE_SIZE
from mir_task.study.questions import ask_any
from mir_task.study.scales import Scale
from mir_task.study.training import train
from mir_task.study.world import Stream, text_example

TOKENIZER_TEXTS = 500
PASSAGE_SHARE = 0.1
MAX_CONTEXT = 2048


def train_language_model(scale: Scale, processor_folder: Path, folder: Path, device: str) -> None:
    """Save language model and processor into the folder, and the curve beside them."""
    processor = LlavaProcessor.from_pretrained(processor_folder)
    torch.manual_seed(0)
    model = LlamaForCausalLM(llama_config(scale, processor.tokenizer)).to(device)
    sequences = packed(processor, scale).to(device)
    order = np.random.default_rng(0)

    def loss_of(_: int) -> Tensor:
        batch = sequences[order.integers(len(sequences), size=scale.batch_size)]
        loss: Tensor = model(input_ids=batch, labels=batch).loss
        return loss

    curve = train(loss_of, model.parameters(), scale.text_recipe, scale.text_steps, "stage 0: language")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    curve.to_csv(folder / "curve.csv", index=False)


def llama_config(scale: Scale, tokenizer: Any) -> LlamaConfig:
    """A Llama of this scale."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=scale.hidden_size,
        intermediate_size=round(8 * scale.hidden_size / 3),
        num_hidden_layers=scale.layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=MAX_CONTEXT,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def build_processor(scale: Scale) -> LlavaProcessor:
    """CLIP preprocessing and a tokenizer trained on the study's texts."""
    bare = build_tokenizer(texts=["USER: ASSISTANT:"], vocabulary=300)
    processor = _processor(bare, scale)
    texts = chain(builtin_texts(), documents(processor, TOKENIZER_TEXTS))
    tokenizer = build_tokenizer(texts=texts, vocabulary=scale.vocabulary)
    return _processor(tokenizer, scale)


def documents(processor: Any, count: int, progress: bool = False) -> Iterator[str]:
    """Texts that the language model learns from, whole conversations among them.

    Descriptions alone; conversations in which a description stands where the image will stand and is asked about
    or told again in another length; built-in passages.
    """
    passages = builtin_texts()
    bos, eos = processor.tokenizer.bos_token, processor.tokenizer.eos_token
    for index in tqdm(range(count), desc="stage 0: texts", unit="text", disable=not progress):
        scene, random = text_example("train", Stream.TEXT, index)
        kind = random.random()
        description = caption(scene, pick(random, ("long", "detailed")), random)
        if kind < PASSAGE_SHARE:
            yield f"{bos}{pick(random, passages)}{eos}"
        elif kind < 0.2:
            yield f"{bos}{description}{eos}"
        elif kind < 0.4:
            yield bos + chat_text(
                processor, [(description, caption(scene, pick(random, LENGTHS[:3]), random))]
            )
        else:
            asked = ask_any(scene, 6, random)
            first = (f"{description}\n{asked[0].question}", asked[0].answer)
            yield bos + chat_text(processor, [first, *asked[1:]])


def packed(processor: Any, scale: Scale) -> Tensor:
    """The documents one after the other, cut into sequences [n, text_length]."""
    tokens: list[int] = []
    for document in documents(processor, scale.text_documents, progress=True):
        tokens += processor.tokenizer(document, add_special_tokens=False)["input_ids"]
    whole = len(tokens) // scale.text_length * scale.text_length
    return torch.tensor(tokens[:whole]).view(-1, scale.text_length)


def _processor(tokenizer: Any, scale: Scale) -> LlavaProcessor:
    # lmms-eval's llava_hf asks the tokenizer for the template, mir_task the processor.
    tokenizer.chat_template = CHAT_TEMPLATE
    return LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": IMAGE_SIZE}, crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}
        ),
        tokenizer=tokenizer,
        patch_size=scale.patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
        image_token="<image>",
    )
