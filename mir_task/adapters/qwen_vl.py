"""Qwen-VL: transformers' own classes from Qwen2-VL on, and the remote code of the first generation."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from mir_task.adapters.base import Adapter, Inputs
from mir_task.adapters.remote import RemoteCodeAdapter
from mir_task.adapters.systems import BY_ID, BY_PROVENANCE, NATIVE, TOKENIZER, UNTESTED, Systems, real_code


class QwenVLAdapter(Adapter):
    """Qwen2-VL and later; deepstack adds to vision rows (Qwen3-VL) but does not move them."""

    family = "Qwen-VL"
    batched = True
    systems = (
        Systems(
            "Qwen2-VL, Qwen2.5-VL, Qwen3.5",
            ("qwen2_vl", "qwen2_5_vl", "qwen3_5"),
            "scatter",
            BY_ID,
            NATIVE,
        ),
        Systems("Qwen3-VL", ("qwen3_vl",), "scatter, deepstack", BY_ID, NATIVE),
        Systems("Qwen3-VL MoE, Qwen3.5 MoE", ("qwen3_vl_moe", "qwen3_5_moe"), "scatter", BY_ID, UNTESTED),
    )

    @property
    def image_prompt(self) -> str:
        """The placeholder between begin and end tokens, from which the model computes positions of image rows."""
        return f"<|vision_start|>{self.image_placeholder}<|vision_end|>\n"


class QwenVL1Adapter(RemoteCodeAdapter):
    """Qwen-VL and Qwen-VL-Chat: image rows overwrite the tokens of the image's path inside the stack."""

    family = "Qwen-VL"
    systems = (
        Systems(
            "Qwen-VL, Qwen-VL-Chat",
            ("qwen",),
            "overwrite in the stack",
            BY_PROVENANCE,
            real_code("x1ngzai/Qwen-VL-Chat-Int4@1cd721a (4.57; on 5.x with a shim)"),
            TOKENIZER,
        ),
    )

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__(model, processor)
        self._folder = tempfile.TemporaryDirectory(prefix="mir-")

    def prompt(self, text: str) -> str:
        """Write ChatML for the chat model, image and text for the base model, with ``{image}`` for the image's path."""
        if self.template == "plain":
            return "<img>{image}</img>" + text
        return (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            "<|im_start|>user\nPicture 1: <img>{image}</img>\n<|im_end|>\n"
            f"<|im_start|>assistant\n{text}<|im_end|>\n"
        )

    @property
    def _chat_template(self) -> str | None:
        chat = getattr(getattr(self.model, "generation_config", None), "chat_format", None) == "chatml"
        return "chatml" if chat else None

    @property
    def image_placeholder(self) -> str:
        """The tag before an image's path."""
        return "<img>"

    def encode(self, image: Image.Image, prompt: str) -> Inputs:
        """Save the image, whose path the model reads from the tokens, and write that path into the prompt."""
        path = Path(self._folder.name, "image.png")
        image.save(path)
        before, _, after = prompt.partition("{image}")
        batch = self.tokenizer(f"{before}{path}{after}", return_tensors="pt")
        return {name: batch[name].to(self.device) for name in ("input_ids", "attention_mask")}
