"""Puts a LLaVA together from the models of stage 0; saves and loads checkpoints with any connector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, CLIPVisionModel, LlamaForCausalLM, LlavaConfig, LlavaProcessor

from mir_task.study.connectors import NATIVE, QFORMER_GRID, Connector, llava_class
from mir_task.study.features import FEATURE_LAYER
from mir_task.training.moca import MoCa

MOCA_FILE = "moca.safetensors"


def assemble(language: Path, vision: Path, connector: Connector, seed: int) -> tuple[Any, LlavaProcessor]:
    """Model and processor: trained language model and vision tower, a new connector.

    Args:
        language: folder of the language model and the processor.
        vision: folder of the vision tower.
        connector: kind of connector.
        seed: seed of the connector's weights; sets the global random state.
    """
    llm, tower = LlamaForCausalLM.from_pretrained(language), CLIPVisionModel.from_pretrained(vision)
    processor = LlavaProcessor.from_pretrained(language)
    image_id = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
    if connector == "qformer":
        processor.patch_size *= QFORMER_GRID  # the processor counts image tokens by it
    connector_entry = {} if connector == NATIVE else {"connector": connector}
    config = LlavaConfig(
        text_config=llm.config,
        vision_config=tower.config,
        image_token_id=image_id,
        image_token_index=image_id,
        vision_feature_layer=FEATURE_LAYER,
        vision_feature_select_strategy="default",
        tie_word_embeddings=llm.config.tie_word_embeddings,
        **connector_entry,
    )
    torch.manual_seed(seed)
    model = llava_class(config)(config)
    model.model.language_model.load_state_dict(llm.model.state_dict())
    model.lm_head.load_state_dict(llm.lm_head.state_dict())
    model.model.vision_tower.load_state_dict(tower.state_dict())
    return model, processor


def load(folder: Path) -> tuple[Any, LlavaProcessor]:
    """A checkpoint that :func:`save` wrote."""
    model = llava_class(AutoConfig.from_pretrained(folder)).from_pretrained(folder)
    restore_moca(model, folder)
    return model, LlavaProcessor.from_pretrained(folder)


def save(model: Any, processor: Any, folder: Path) -> None:
    """Write an ordinary checkpoint, MoCa's weights in a file of their own beside it."""
    moca = getattr(model, "moca", None)
    if moca is not None:
        moca.save(folder / MOCA_FILE)
    state = {name: value for name, value in model.state_dict().items() if not name.startswith("moca.")}
    model.save_pretrained(folder, state_dict=state)
    processor.save_pretrained(folder)


def restore_moca(model: Any, folder: Path) -> None:
    """Attach the MoCa that was saved beside a checkpoint, if there is one."""
    if (folder / MOCA_FILE).exists():
        MoCa.attach(model).load(folder / MOCA_FILE)
