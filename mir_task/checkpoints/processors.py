"""Makes the processors of a checkpoint: one, or one for each member of a family of models."""

from __future__ import annotations

from typing import Any

from transformers import LlavaProcessor

from mir_task.checkpoints import aligngpt
from mir_task.checkpoints.assemble import Components
from mir_task.checkpoints.components import ComponentTensors
from mir_task.checkpoints.templates import IMAGE, for_questions, template
from mir_task.checkpoints.vision import has_class_token, image_processor


def make_processors(
    components: Components,
    tensors: ComponentTensors,
    stage: int,
    conversation: str | None,
    align_level: int | None,
) -> tuple[Any, dict[str, Any]]:
    """Make the processor, and those of AlignGPT's variants.

    Args:
        components: the model's.
        tensors: the checkpoint's; they tell whether it is of AlignGPT, and of which stage.
        stage: 1 or 2, for the conversation to take if none is named.
        conversation: see :func:`mir_task.checkpoints.templates.template`.
        align_level: the one variant to make, None for all.

    Returns:
        The processor, and processors by variant, which only AlignGPT's stage 1 has.

    Raises:
        MIRModelError: there is no such conversation, or it does not go with AlignGPT.
    """
    own = components.tokenizer.chat_template
    if conversation is None:
        usual = "own" if own and not tensors.indicators else "vicuna_v1"
        conversation = "plain" if stage == 1 else usual
    if tensors.indicators:
        aligngpt.check_conversation(conversation, components.tokenizer)

    def processor(align_token: str | None = None) -> LlavaProcessor:
        start_end = components.settings.mm_use_im_start_end
        return _processor(components, template(conversation, own, start_end, align_token))

    if not tensors.indicators:
        return processor(), {}
    if tensors.gate:
        return processor(aligngpt.GATE_TOKEN), {}
    levels = range(aligngpt.LEVELS) if align_level is None else [align_level]
    variants = {f"align_level_{level}": processor(aligngpt.LEVEL_TOKENS[level]) for level in levels}
    # A family that is asked to generate text does so as its best-aligned member.
    return list(variants.values())[-1], variants


def _processor(components: Components, chat_template: str) -> LlavaProcessor:
    """Make the processor.

    Args:
        components: the tokenizer, the vision tower and its preprocessing are taken from them.
        chat_template: the processor's, which MIR is measured in, and in place of the tokenizer's own.
    """
    tokenizer = components.tokenizer
    tokenizer.chat_template = for_questions(chat_template)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]  # LLaVA refuses token_type_ids
    return LlavaProcessor(
        image_processor=image_processor(str(components.settings.mm_vision_tower), components.settings),
        tokenizer=tokenizer,
        patch_size=components.tower.config.patch_size,
        vision_feature_select_strategy=components.strategy,
        num_additional_image_tokens=int(has_class_token(components.tower)),
        image_token=IMAGE,
        chat_template=chat_template,
    )
