"""InternVL: transformers' own class (checkpoints named -HF) and the remote code of 1.5 to 3.5."""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mir_task.adapters.base import Adapter, Inputs
from mir_task.adapters.remote import RemoteCodeAdapter
from mir_task.adapters.systems import BY_ID, NATIVE, TOKENIZER, Systems, real_code
from mir_task.errors import MIRModelError

START, CONTEXT, END = "<img>", "<IMG_CONTEXT>", "</img>"


class InternVLAdapter(Adapter):
    """Transformers' own class; its processor makes tiles and thumbnail."""

    family = "InternVL"
    batched = True
    systems = (Systems("InternVL 2.5, 3, 3.5 (-HF)", ("internvl",), "scatter, tiles", BY_ID, NATIVE),)


class InternVLChatAdapter(RemoteCodeAdapter):
    """The remote code, given with its tokenizer; transformers' implementation of the same rule cuts the tiles."""

    family = "InternVL"
    systems = (
        Systems(
            "InternVL 1.1-1.5, 2, 2.5, 3, 3.5",
            ("internvl_chat",),
            "written in place, tiles or none",
            BY_ID,
            real_code("OpenGVLab/InternVL@2410d1d (4.57, 5.24)"),
            TOKENIZER,
        ),
    )

    @property
    def image_placeholder(self) -> str:
        """The placeholder that the family's code replaces by the image's tokens."""
        return "<image>"

    @property
    def _chat_template(self) -> str:
        return str(self.model.template)

    def prompt(self, text: str) -> str:
        """Fill the conversation template that the checkpoint's code brings."""
        code = inspect.getmodule(type(self.model))
        conversation = code.get_conv_template(self.model.template)  # type: ignore[union-attr]
        conversation.system_message = self.model.system_message
        conversation.append_message(conversation.roles[0], f"{self.image_placeholder}\n")
        conversation.append_message(conversation.roles[1], text)
        return str(conversation.get_prompt())

    def encode(self, image: Image.Image, prompt: str) -> Inputs:
        """Cut tiles, and write as many context tokens into the prompt as the tiles make rows."""
        if (
            not self._tiled
        ):  # as the family does it, since image processors resize tensors a little differently
            image = image.resize((self._size, self._size), Image.Resampling.BICUBIC)
        pixels = self._tiles(images=[image], return_tensors="pt")["pixel_values"]
        rows = CONTEXT * (self.model.num_image_token * len(pixels))
        batch = self.tokenizer(
            prompt.replace(self.image_placeholder, f"{START}{rows}{END}", 1), return_tensors="pt"
        )
        self.model.img_context_token_id = self.image_id  # the family's own chat() sets it too
        return {
            "pixel_values": pixels.to(self.device, self.model.dtype),
            "input_ids": batch["input_ids"].to(self.device),
            "attention_mask": batch["attention_mask"].to(self.device),
            "image_flags": torch.ones(len(pixels), 1, dtype=torch.long, device=self.device),
        }

    @property
    def image_id(self) -> int:
        """The id of the context token, which the config does not name."""
        return int(self.tokenizer.convert_tokens_to_ids(CONTEXT))

    def vision_mask(self, inputs: Inputs) -> Tensor | None:
        """See :meth:`Adapter.vision_mask`."""
        return Adapter.vision_mask(self, inputs)

    def prefill(self, inputs: Inputs) -> None:
        """Run the model's own forward, which brings the image in."""
        self.model(**inputs, use_cache=False)

    @property
    def _tiled(self) -> bool:
        """Whether images are cut into tiles; V1-1 and V1-2, whose code knows no such setting, resize them whole."""
        return bool(getattr(self.model.config, "dynamic_image_size", False))

    @property
    def _size(self) -> int:
        config = self.model.config
        return int(getattr(config, "force_image_size", None) or config.vision_config.image_size)

    @cached_property
    def _tiles(self) -> Any:
        # Written for GOT-OCR 2, used by transformers for InternVL too; defaults below are InternVL's own.
        from transformers import GotOcr2ImageProcessor
        from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

        config = self.model.config
        if self._tiled and not getattr(config, "use_thumbnail", True):
            raise MIRModelError("InternVL without a thumbnail beside its tiles is not supported")
        return GotOcr2ImageProcessor(
            size={"height": self._size, "width": self._size},
            crop_to_patches=self._tiled,
            min_patches=getattr(config, "min_dynamic_patch", 1),
            max_patches=getattr(config, "max_dynamic_patch", 12),
            image_mean=IMAGENET_DEFAULT_MEAN,
            image_std=IMAGENET_DEFAULT_STD,
        )
