"""Checks the report's decision in planted worlds: how often it is right, what following it costs, what P is worth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tqdm import tqdm

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.decision.rules import decide
from mir_task.report.schema import Decision

REPEATS = 1000
MIXED_REPEATS = 400
DESIGNS: dict[str, tuple[int, ...]] = {
    "one group of 8": (8,),
    "one group of 16": (16,),
    "five groups of 5": (5,) * 5,
}
"""Recipes that are fine-tuned already, by group."""
NEW = 8
"""Checkpoints of a new group, of which one is to be chosen."""
UNSCORED = 4
"""Checkpoints without a score in a group with others that have one."""


@dataclass(frozen=True)
class World:
    """Correlation of each measure with the score after SFT within a group; the training step never tells."""

    name: str
    mir: float
    loss: float
    right: str
    """What should be chosen by: mir, loss or neither."""


WORLDS = (
    World("MIR tells", -0.85, 0.0, "mir"),
    World("MIR tells weakly", -0.6, 0.0, "mir"),
    World("loss tells", 0.0, -0.85, "loss"),
    World("neither tells", 0.0, 0.0, "neither"),
)


def run(repeats: int = REPEATS, mixed_repeats: int = MIXED_REPEATS) -> Iterator[dict[str, Any]]:
    """Yield one record a world and design: its seed is its number, so that each can be made again alone."""
    cells = [(world, design) for world in WORLDS for design in DESIGNS]
    for seed, (world, design) in enumerate(tqdm(cells, desc="decision")):
        yield _followed(world, design, seed, repeats)
    mixed = [(world, scored) for world in (WORLDS[0], WORLDS[3]) for scored in (8, 16)]
    for seed, (world, scored) in enumerate(tqdm(mixed, desc="some scored"), start=len(cells)):
        yield _calibrated(world, scored, seed, mixed_repeats)


def draw(random: np.random.Generator, size: int, world: World, group: str) -> list[Checkpoint]:
    """Draw a group at levels of its own; scores have a standard deviation of one within it."""
    level = 3 * random.normal(size=2)
    rest = math.sqrt(1 - world.mir**2 - world.loss**2)
    mir, loss, step, noise = random.normal(size=(4, size))
    score = world.mir * mir + world.loss * loss + rest * noise
    members = [
        Checkpoint(
            name=f"{group}/{n}",
            label=f"{group}/{n}",
            group=group,
            mir=float(mir[n] + level[0]),
            standard_error=None,
            spread=None,
            pairs=None,
            runs=(),
            average=float(score[n] + level[1]),
            extras={"loss": float(loss[n]), "step": float(step[n])},
        )
        for n in range(size)
    ]
    return sorted(members, key=lambda c: c.mir)


def _followed(world: World, design: str, seed: int, repeats: int) -> dict[str, Any]:
    """Decide for a new group after the others are scored; what was named, and the loss of following it."""
    random = np.random.default_rng(seed)
    named, losses = [], []
    for _ in range(repeats):
        groups = {f"g{n}": draw(random, size, world, f"g{n}") for n, size in enumerate(DESIGNS[design])}
        new = draw(random, NEW, world, "new")
        decision = decide({**groups, "new": [replace(c, average=None) for c in new]})
        named.append(named_by(decision))
        losses.append(_losses(decision, new, int(random.integers(NEW))))
    found = {
        name: float(np.mean([by == name for by in named])) for name in ("mir", "loss", "step", "neither")
    }
    right = found[world.right]
    return {
        "what": "decision",
        "world": world.name,
        "design": design,
        "seed": seed,
        "repeats": repeats,
        "right": right,
        "simulation_error": math.sqrt(right * (1 - right) / repeats),
        **{f"says_{name}": share for name, share in found.items()},
        **{f"loss_{name}": float(np.mean([each[name] for each in losses])) for name in losses[0]},
    }


def named_by(decision: Decision) -> str:
    """What the decision says to tell."""
    return "mir" if decision.mir == "tells" else decision.instead or "neither"


def _losses(decision: Decision, new: list[Checkpoint], at_random: int) -> Mapping[str, float]:
    """Loss against the best of the new group: following the decision, and following one measure always."""
    by_name = {c.name: c for c in new}
    chosen = {
        "followed": by_name[decision.recommended[0]] if decision.recommended else new[at_random],
        "mir_always": min(new, key=lambda c: c.mir),
        "loss_always": min(new, key=lambda c: c.extras["loss"]),
        "step_always": max(new, key=lambda c: c.extras["step"]),
        "at_random": new[at_random],
    }
    best = max(c.average or 0.0 for c in new)
    return {name: best - (c.average or 0.0) for name, c in chosen.items()}


def _calibrated(world: World, scored: int, seed: int, repeats: int) -> dict[str, Any]:
    """One group, some scored: how often the best is among the recommended, and the loss, beside what was stated."""
    random = np.random.default_rng(seed)
    stated, held, expected, lost, sizes = [], [], [], [], []
    for _ in range(repeats):
        members = draw(random, scored + UNSCORED, world, "g")
        hidden = set(random.choice(len(members), UNSCORED, replace=False).tolist())
        shown = [replace(c, average=None) if n in hidden else c for n, c in enumerate(members)]
        decision = decide({"g": shown})
        best = max(members, key=lambda c: c.average or 0.0)
        first = next(c for c in members if c.name == decision.recommended[0])
        stated.append(decision.p_best or 0.0)
        held.append(best.name in decision.recommended)
        expected.append(decision.expected_loss or 0.0)
        lost.append((best.average or 0.0) - (first.average or 0.0))
        sizes.append(len(decision.recommended))
    share = float(np.mean(held))
    return {
        "what": "some scored",
        "world": world.name,
        "design": f"{scored} scored, {UNSCORED} not",
        "seed": seed,
        "repeats": repeats,
        "p_best_stated": float(np.mean(stated)),
        "best_among_recommended": share,
        "simulation_error": math.sqrt(share * (1 - share) / repeats),
        "recommended": float(np.mean(sizes)),
        "loss_stated": float(np.mean(expected)),
        "loss_followed": float(np.mean(lost)),
    }
