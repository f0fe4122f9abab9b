"""Pipelines for families whose own code builds the input: one short file a family here, one entry in ``RECIPES``.

A recipe is a function of a model and its tokenizer. It gives the :class:`mir_task.adapters.Pipeline` that shows the
model an image and, as the assistant's turn, a text, by the steps that the family's own code takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mir_task.adapters.pipeline import Pipeline
from mir_task.adapters.recipes.aligngpt import aligngpt
from mir_task.adapters.recipes.cambrian import cambrian
from mir_task.adapters.recipes.cogvlm2 import cogvlm2
from mir_task.adapters.recipes.glm4v import glm4v
from mir_task.adapters.recipes.llava import llava
from mir_task.adapters.recipes.mini_gemini import mini_gemini
from mir_task.adapters.recipes.minicpm_v2 import minicpm_v2
from mir_task.adapters.recipes.vila import vila
from mir_task.adapters.recipes.xcomposer2 import xcomposer2
from mir_task.adapters.systems import BY_PROVENANCE, TOKENIZER, Systems, real_code

__all__ = ["RECIPES", "Recipe", "recipe_for"]

BOTH = "4.57, 5.24"


class Recipe(NamedTuple):
    """A family's pipeline, and its row of the table of supported models."""

    pipeline: Callable[[Any, Any], Pipeline]
    """Makes it from a model and its tokenizer."""
    systems: Systems


def _systems(names: str, classes: tuple[str, ...], vision: str, *sources: str) -> Systems:
    return Systems(names, classes, vision, BY_PROVENANCE, real_code(*sources), TOKENIZER)


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        llava,
        _systems(
            "the original LLaVA (1.0-1.6), InternVL-1.0",
            ("LlavaLlamaForCausalLM", "LlavaMistralForCausalLM"),
            "splice",
            f"haotian-liu/LLaVA@c121f04 ({BOTH})",
            f"OpenGVLab/InternVL@2410d1d ({BOTH})",
        ),
    ),
    Recipe(
        aligngpt,
        _systems(
            "AlignGPT (stage 2)",
            ("AlignGPTForCausalLM",),
            "splice; the align vector is of neither modality",
            f"AlignGPT-VL/AlignGPT@b3ddf5d ({BOTH})",
        ),
    ),
    Recipe(
        mini_gemini,
        _systems(
            "Mini-Gemini, Mini-Gemini-HD",
            ("MGMGemmaForCausalLM", "MGMLlamaForCausalLM", "MGMMixtralForCausalLM"),
            "splice",
            f"dvlab-research/MGM@769820c ({BOTH})",
        ),
    ),
    Recipe(
        cambrian,
        _systems(
            "Cambrian-1",
            ("CambrianLlamaForCausalLM",),
            "splice, and a connector between layers",
            f"cambrian-mllm/cambrian@539ffc3 ({BOTH})",
        ),
    ),
    Recipe(
        vila,
        _systems(
            "VILA, VILA-1.5, NVILA",
            ("LlavaLlamaModel", "VILAForCausalLM"),
            "splice",
            f"NVlabs/VILA@ec7fb2c (1.5; {BOTH})",
            f"NVlabs/VILA@b760c34 (NVILA; {BOTH})",
        ),
    ),
    Recipe(
        cogvlm2,
        _systems(
            "CogVLM2",
            ("CogVLMForCausalLM",),
            "overwrite in the stack",
            f"Niky-san/cogvlm2_surce@29bac8a ({BOTH})",
        ),
    ),
    Recipe(
        minicpm_v2,
        _systems(
            "MiniCPM-V 2.0",
            (
                "MiniCPMPreTrainedModel",
            ),  # the base that 2.5 and 2.6, of the same model_type and class name, have not
            "written in place, scaled",
            f"HwwwwwwwH/MiniCPM-V-2@1878519 ({BOTH})",
        ),
    ),
    Recipe(
        glm4v,
        _systems(
            "GLM-4V-9B",
            ("ChatGLMForConditionalGeneration",),
            "splice",
            "XuRui314/GLM4v-Finetune@513b75d (modelling; configuration, vision tower and tokenizer are files of the "
            "hub's THUDM/glm-4v-9b beside it; 4.57: its tokenizer does not run on 5.x)",
        ),
    ),
    Recipe(
        xcomposer2,
        _systems(
            "XComposer2, XComposer2-4KHD, XComposer2.5",
            ("InternLMXComposer2ForCausalLM",),
            "splice",
            "InternLM/InternLM-XComposer@0f70c3e (2.5; 4.57; on 5.x with a shim)",
        ),
    ),
)

_BY_CLASS = {name: recipe.pipeline for recipe in RECIPES for name in recipe.systems.model_types}


def recipe_for(model: Any) -> Callable[[Any, Any], Pipeline] | None:
    """The recipe of a model's family, by the name of its class or of one that it is derived from; None without one."""
    names = (each.__name__ for each in type(model).__mro__)
    return next((_BY_CLASS[name] for name in names if name in _BY_CLASS), None)
