"""Puts LLM, vision tower and projector together as one transformers model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from accelerate import init_empty_weights
from torch import nn
from transformers import GenerationConfig, LlavaConfig, LlavaForConditionalGeneration

from mir_task.checkpoints.aligngpt import GATE_TOKEN, gate_config, make_gate
from mir_task.checkpoints.components import ComponentTensors
from mir_task.checkpoints.modeling import LlavaPretrainConfig, LlavaPretrainForConditionalGeneration
from mir_task.checkpoints.projector import DeepProjector, Layer, at_least_two
from mir_task.checkpoints.settings import Settings
from mir_task.checkpoints.templates import IMAGE
from mir_task.checkpoints.vision import has_class_token


@dataclass(frozen=True)
class Components:
    """The loaded components of a vision-language model."""

    name: str
    """The checkpoint, as the user named it."""
    llm: Any
    tokenizer: Any
    tower: Any
    projector: list[Layer]
    strategy: str
    """transformers' ``vision_feature_select_strategy``."""
    settings: Settings

    @property
    def image_rows(self) -> int:
        """Number of rows that an image has in the decoder."""
        config = self.tower.config
        patches = (config.image_size // config.patch_size) ** 2
        return int(patches + (has_class_token(self.tower) and self.strategy == "full"))


def assemble(components: Components, tensors: ComponentTensors) -> Any:
    """Put the components together as one model.

    Args:
        components: are moved into the model rather than copied.
        tensors: AlignGPT's gate is taken from them.

    Returns:
        The model, in evaluation mode. It is transformers' own ``LlavaForConditionalGeneration`` where that can be
        exactly the same function, else :class:`LlavaPretrainForConditionalGeneration`.
    """
    llm = components.llm
    activation, layers = at_least_two(components.projector)
    config = _config(components, tensors, activation, len(layers))
    own = isinstance(config, LlavaPretrainConfig)
    with init_empty_weights():
        model = (LlavaPretrainForConditionalGeneration if own else LlavaForConditionalGeneration)(config)
    model.model.language_model, model.lm_head = llm.model, llm.lm_head
    model.model.vision_tower = components.tower
    _fill_projector(model.model.multi_modal_projector, layers)
    # Not the whole model: that would round the buffers of rotary embeddings too.
    model.model.multi_modal_projector.to(llm.dtype)
    if tensors.gate:
        model.model.alignment = make_gate(tensors).to(llm.dtype)
        model.model.add_align_rows()
    model.generation_config = _generation_config(llm)
    model.config._name_or_path = components.name
    return model.eval()


def _config(components: Components, tensors: ComponentTensors, activation: str, depth: int) -> LlavaConfig:
    """Make the model's config, of this package's own class only where transformers' cannot say it."""
    tokenizer, settings = components.tokenizer, components.settings
    extra: dict[str, Any] = {"projector_depth": depth} if depth > 2 else {}
    if tensors.gate:
        extra["align_gate"] = gate_config(tensors)
        extra["align_token_index"] = tokenizer.convert_tokens_to_ids(GATE_TOKEN)
    return (LlavaPretrainConfig if extra else LlavaConfig)(
        text_config=components.llm.config,
        vision_config=components.tower.config,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=components.image_rows,
        projector_hidden_act=activation,
        vision_feature_layer=settings.mm_vision_select_layer,
        vision_feature_select_strategy=components.strategy,
        tie_word_embeddings=components.llm.config.tie_word_embeddings,
        **extra,
    )


def _fill_projector(projector: nn.Module, layers: list[Layer]) -> None:
    """Put real layers in the place of empty ones."""
    is_deep = isinstance(projector, DeepProjector)
    names = [str(2 * index) for index in range(len(layers))] if is_deep else ["linear_1", "linear_2"]
    for name, layer in zip(names, layers, strict=True):
        linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
        linear.load_state_dict(layer._asdict())
        setattr(projector, name, linear)


def _generation_config(llm: Any) -> GenerationConfig:
    """Keep of the LLM's settings only the ends of sequences: transformers refuses to save some LLMs' own."""
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return GenerationConfig(**{name: getattr(llm.generation_config, name) for name in names})
