"""Puts LLM, vision tower and projector together as one transformers model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from accelerate import init_empty_weights
from torch import Tensor, nn
from transformers import GenerationConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

from mir_task.checkpoints.modeling import (
    Alignment,
    LlavaPretrainConfig,
    LlavaPretrainForConditionalGeneration,
)
from mir_task.checkpoints.parts import ALIGN_LEVELS, Parts
from mir_task.checkpoints.projector import DeepProjector, as_two_layers
from mir_task.checkpoints.settings import Settings
from mir_task.checkpoints.templates import IMAGE
from mir_task.checkpoints.vision import has_class_token, image_processor


@dataclass(frozen=True)
class Recipe:
    """The loaded parts."""

    name: str
    llm: Any
    tokenizer: Any
    tower: Any
    tower_name: str
    layers: list[tuple[Tensor, Tensor]]
    """The projector's (weight, bias)."""
    strategy: str
    """transformers' ``vision_feature_select_strategy``."""
    settings: Settings

    @property
    def image_rows(self) -> int:
        """How many rows an image has in the decoder."""
        config = self.tower.config
        patches = (config.image_size // config.patch_size) ** 2
        return int(patches + (has_class_token(self.tower) and self.strategy == "full"))


def assemble(recipe: Recipe, parts: Parts, gate_token: str | None) -> Any:
    """The model, in evaluation mode, its parts moved rather than copied.

    It is transformers' own ``LlavaForConditionalGeneration`` where that can be exactly the same function.
    """
    llm, tower = recipe.llm, recipe.tower
    deep = len(recipe.layers) > 2
    activation, layers = ("gelu", recipe.layers) if deep else as_two_layers(recipe.layers)
    settings: dict[str, Any] = {
        "text_config": llm.config,
        "vision_config": tower.config,
        "image_token_index": recipe.tokenizer.convert_tokens_to_ids(IMAGE),
        "image_seq_length": recipe.image_rows,
        "projector_hidden_act": activation,
        "vision_feature_layer": recipe.settings.mm_vision_select_layer,
        "vision_feature_select_strategy": recipe.strategy,
        "tie_word_embeddings": llm.config.tie_word_embeddings,
    }
    if deep:
        settings["projector_depth"] = len(recipe.layers)
    if gate_token:
        hidden, image_rows = parts.gate["mlp.0.weight"].shape
        settings["align_gate"] = [image_rows, hidden, ALIGN_LEVELS - 1]
        settings["align_token_index"] = recipe.tokenizer.convert_tokens_to_ids(gate_token)
    own = bool(deep or gate_token)
    config = (LlavaPretrainConfig if own else LlavaConfig)(**settings)
    with init_empty_weights():
        model = (LlavaPretrainForConditionalGeneration if own else LlavaForConditionalGeneration)(config)
    model.model.language_model, model.lm_head = llm.model, llm.lm_head
    model.model.vision_tower = tower
    _fill_projector(model.model, layers)
    if gate_token:
        model.model.alignment = _alignment(parts).to(llm.dtype)
        model.model.add_align_rows()
    # Only the ends of sequences: some LLMs' own settings are refused by transformers when saved.
    ends = {
        name: getattr(llm.generation_config, name)
        for name in ("bos_token_id", "eos_token_id", "pad_token_id")
    }
    model.generation_config = GenerationConfig(**ends)
    model.config._name_or_path = recipe.name
    # Not the whole model: that would round the buffers of rotary embeddings too.
    model.model.multi_modal_projector.to(llm.dtype)
    return model.eval()


def _fill_projector(model: Any, layers: list[tuple[Tensor, Tensor]]) -> None:
    """Put real layers in the place of empty ones."""
    projector = model.multi_modal_projector
    is_deep = isinstance(projector, DeepProjector)
    names = [str(2 * index) for index in range(len(layers))] if is_deep else ["linear_1", "linear_2"]
    for name, (weight, bias) in zip(names, layers, strict=True):
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.load_state_dict({"weight": weight, "bias": bias})
        setattr(projector, name, linear)


def _alignment(parts: Parts) -> Alignment:
    (indicators,) = parts.indicators.values()
    hidden, image_rows = parts.gate["mlp.0.weight"].shape
    alignment = Alignment(indicators.shape[1], image_rows, hidden, len(indicators) - 1)
    gate = {f"gate.{name.removeprefix('mlp.')}": value for name, value in parts.gate.items()}
    alignment.load_state_dict({"indicators": indicators, **gate})
    return alignment


def processor_for(recipe: Recipe, chat_template: str | None) -> LlavaProcessor:
    """The processor; its chat template is the tokenizer's too, which is the one that lmms-eval looks at.

    A tokenizer's own template would be saved as the processor's, which knows of images; so None clears it.
    """
    tokenizer = recipe.tokenizer
    tokenizer.chat_template = chat_template
    tokenizer.model_input_names = ["input_ids", "attention_mask"]  # LLaVA refuses token_type_ids
    return LlavaProcessor(
        image_processor=image_processor(recipe.tower_name, recipe.settings),
        tokenizer=tokenizer,
        patch_size=recipe.tower.config.patch_size,
        vision_feature_select_strategy=recipe.strategy,
        num_additional_image_tokens=int(has_class_token(recipe.tower)),
        image_token=IMAGE,
        chat_template=chat_template,
    )
