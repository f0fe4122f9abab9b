"""The processor of the study's LLaVAs."""

from __future__ import annotations

from typing import Any

from transformers import CLIPImageProcessor, LlavaProcessor

from mir_task.study.picture import IMAGE_SIZE


def llava_processor(tokenizer: Any, patch_size: int, chat_template: str) -> LlavaProcessor:
    """CLIP preprocessing with a tokenizer.

    Args:
        tokenizer: knows ``<image>`` as one token.
        patch_size: side of the vision tower's patches in pixels.
        chat_template: for the processor and for the tokenizer, which lmms-eval's llava_hf asks.
    """
    tokenizer.chat_template = chat_template
    return LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": IMAGE_SIZE}, crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}
        ),
        tokenizer=tokenizer,
        patch_size=patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template,
        image_token="<image>",
    )
