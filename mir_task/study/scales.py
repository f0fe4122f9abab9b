"""Scales of a study: its models, amounts of data, numbers of steps and seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mir_task.study.training import Precision, Recipe

PRETRAINED_LANGUAGE: Literal["SmolLM2-135M-Instruct"] = "SmolLM2-135M-Instruct"
DEMO_VISION: Literal["mir_demo"] = "mir_demo"
TEXT_RECIPE = Recipe(2e-3, weight_decay=0.01)
VISION_RECIPE = Recipe(1e-3, weight_decay=0.01)
SFT_RECIPE = Recipe(2e-4)


@dataclass(frozen=True)
class Language:
    """A Llama that stage 0 trains."""

    vocabulary: int
    hidden_size: int
    layers: int
    steps: int
    recipe: Recipe = TEXT_RECIPE


@dataclass(frozen=True)
class Vision:
    """A CLIP that stage 0 trains, whose tower is kept."""

    hidden_size: int
    layers: int
    patch_size: int
    steps: int
    recipe: Recipe = VISION_RECIPE


@dataclass(frozen=True)
class Scale:
    """Everything that differs between a smoke test and a whole study."""

    name: str
    estimate: str
    """Wall time of the whole, in words, and what it was measured on."""
    language: Language | Literal["SmolLM2-135M-Instruct"]
    """Trained in stage 0, or one that was pre-trained."""
    vision: Vision | Literal["mir_demo"]
    """Trained in stage 0, or the tower of the embedded model."""
    batch_size: int
    pairs: int
    """Image-caption pairs of stage 1 in the base run; experiments take multiples."""
    sft_steps: int
    turns: int
    """Questions about an image in SFT."""
    probe_pairs: int
    """Image-text pairs that MIR is measured on."""
    baseline_examples: int
    questions: int | None
    """Held-out questions of each skill; None: all of the task."""
    main_seeds: int
    side_seeds: int
    plan: Literal["paper", "real"] = "paper"
    """Which experiments there are."""
    experiments: tuple[str, ...] | None = None
    """Names of the experiments that are run; None: all of the plan."""
    sft_recipe: Recipe = SFT_RECIPE
    precision: Precision = "float32"
    """Precision of passes in training; weights and the optimizer's state are float32."""
    along: tuple[int, ...] = ()
    """Image-caption pairs seen at which MIR is measured within trainings that runs branch from."""


SMOKE = Scale(
    name="smoke",
    estimate="two minutes on two CPU cores",
    language=Language(vocabulary=768, hidden_size=64, layers=3, steps=60),
    vision=Vision(hidden_size=48, layers=3, patch_size=16, steps=30),
    batch_size=16,
    pairs=512,
    sft_steps=20,
    turns=4,
    probe_pairs=12,
    baseline_examples=8,
    questions=4,
    main_seeds=1,
    side_seeds=1,
    experiments=("data scale", "connector"),
)
FULL = Scale(
    name="full",
    estimate="two to three hours in two processes on two CPU cores",
    language=Language(vocabulary=1024, hidden_size=128, layers=4, steps=4000),
    vision=Vision(hidden_size=96, layers=4, patch_size=16, steps=2000),
    batch_size=16,
    pairs=6400,
    sft_steps=200,
    turns=8,
    probe_pairs=100,
    baseline_examples=128,
    questions=250,
    main_seeds=3,
    side_seeds=2,
)
REAL = Scale(
    name="real",
    estimate="about six hours in two processes on two CPU cores without AMX (computed beforehand from single steps)",
    language=PRETRAINED_LANGUAGE,
    vision=DEMO_VISION,
    batch_size=16,
    pairs=3200,
    sft_steps=60,
    turns=4,
    probe_pairs=60,
    baseline_examples=128,
    questions=100,
    main_seeds=2,
    side_seeds=1,
    plan="real",
    sft_recipe=Recipe(1e-4),
    precision="bfloat16",
    along=(0, 96, 480, 1440, 4800, 14400),
)
SCALES = {scale.name: scale for scale in (SMOKE, FULL, REAL)}
