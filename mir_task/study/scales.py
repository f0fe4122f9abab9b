"""Scales of a study: sizes of models and data, numbers of steps and seeds."""

from __future__ import annotations

from dataclasses import dataclass

from mir_task.study.training import Recipe

TEXT_RECIPE = Recipe(2e-3, weight_decay=0.01)
VISION_RECIPE = Recipe(1e-3, weight_decay=0.01)
SFT_RECIPE = Recipe(2e-4)


@dataclass(frozen=True)
class Scale:
    """Everything that differs between a smoke test and the full study."""

    name: str
    estimate: str
    """Wall time of the whole, in words, and what it was measured on."""
    vocabulary: int
    hidden_size: int
    layers: int
    vision_size: int
    vision_layers: int
    patch_size: int
    text_steps: int
    vision_steps: int
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
    experiments: tuple[str, ...] | None = None
    """Names of the experiments that are run; None: all."""
    text_recipe: Recipe = TEXT_RECIPE
    vision_recipe: Recipe = VISION_RECIPE
    sft_recipe: Recipe = SFT_RECIPE


SMOKE = Scale(
    name="smoke",
    estimate="two minutes on two CPU cores",
    vocabulary=768,
    hidden_size=64,
    layers=3,
    vision_size=48,
    vision_layers=3,
    patch_size=16,
    text_steps=60,
    vision_steps=30,
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
    vocabulary=1024,
    hidden_size=128,
    layers=4,
    vision_size=96,
    vision_layers=4,
    patch_size=16,
    text_steps=4000,
    vision_steps=2000,
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
SCALES = {scale.name: scale for scale in (SMOKE, FULL)}
