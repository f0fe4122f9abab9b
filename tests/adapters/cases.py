"""Facts about the models of ``tests.tiny``, taken from the families' own source."""

from dataclasses import dataclass

from tests.tiny.common import OLD


@dataclass(frozen=True)
class Case:
    """Facts about one tiny model."""

    model_type: str
    layers: str = "model.language_model.layers"
    """Path of the decoder layers."""
    norm: str = "model.language_model.norm"
    """Path of the final norm."""
    placeholder: str | None = "<image>"
    """The image's token; None: the processor gives a mask."""
    tiles: bool = False
    """Whether the number of vision rows depends on the shape of the image."""
    head_runs: bool = False
    """Whether the LM head is part of the module that brings the image in, so that it cannot be left out."""
    counts: bool = True
    """Whether the processor counts an image's tokens, and rightly."""
    around: int = 0
    """Tokens around and between the rows of ``WIDE`` that the processor counts as the image's too."""


def opt(model_type):
    """BLIP-2's relatives on OPT."""
    return Case(
        model_type,
        layers="language_model.model.decoder.layers",
        norm="language_model.model.decoder.final_layer_norm",
        head_runs=True,
        counts=False,
    )


def idefics(model_type, **known):
    return Case(model_type, layers="model.text_model.layers", norm="model.text_model.norm", **known)


CASES = {
    "llava": Case("llava"),
    # Its processor looks for a crop size, which SigLIP's image processor has none of.
    "llava_interleave": Case("llava", counts=False),
    "llava_next": Case("llava_next", tiles=True),
    "llava_next_video": Case("llava_next_video", tiles=True),
    "llava_onevision": Case("llava_onevision", tiles=True),
    "vipllava": Case("vipllava"),
    "qwen2_vl": Case("qwen2_vl", placeholder="<|image_pad|>", tiles=True),
    "qwen2_5_vl": Case("qwen2_5_vl", placeholder="<|image_pad|>", tiles=True),
    "qwen3_vl": Case("qwen3_vl", placeholder="<|image_pad|>", tiles=True),
    "qwen3_5": Case("qwen3_5", placeholder="<|image_pad|>", tiles=True),
    "internvl": Case("internvl", placeholder="<IMG_CONTEXT>", tiles=True, around=2),
    "minicpmv4_6": Case("minicpmv4_6", placeholder="<|image|>", tiles=True, counts=False),
    "minicpmv4_7": Case("minicpmv4_7", placeholder="<|image|>", tiles=True, counts=False),
    "glm4v": Case("glm4v", placeholder="<|image|>", tiles=True, counts=not OLD),
    "blip2_opt": opt("blip-2"),
    "blip2_t5": Case(
        "blip-2",
        layers="language_model.encoder.block",
        norm="language_model.encoder.final_layer_norm",
        head_runs=True,
        counts=False,
    ),
    "instructblip": opt("instructblip"),
    "fuyu": Case(
        "fuyu",
        norm="model.language_model.final_layernorm",
        placeholder="|SPEAKER|",
        tiles=True,
        head_runs=not OLD,  # from 5 on, only the model with the head knows the processor's name for pixels
        counts=not OLD,
        around=2,
    ),
    "idefics2": idefics("idefics2", counts=False),
    "idefics3": idefics("idefics3", tiles=True, counts=not OLD, around=9),
    "smolvlm": idefics("smolvlm", tiles=True, counts=False),
    "paligemma": Case("paligemma"),
    "gemma3": Case("gemma3", placeholder="<image_soft_token>"),
    "mistral3": Case("mistral3", placeholder="[IMG]", tiles=True, around=1),
    "deepseek_vl": Case("deepseek_vl", placeholder="<image_placeholder>", counts=False),
    "kosmos2": Case(
        "kosmos-2",
        layers="text_model.model.layers",
        norm="text_model.model.layer_norm",
        placeholder=None,
        head_runs=True,
        counts=False,
    ),
    "aya_vision": Case("aya_vision", placeholder="<|IMG_PATCH|>", tiles=True, around=5),
}
