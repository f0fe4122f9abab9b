"""Checks the report's tests and intervals in simulations whose truth is known: level, false alarms, coverage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from mir_task.bench import decisions, intervals
from mir_task.bench.worlds import PAPER, STUDY, Simulation, groups_of, lines
from mir_task.report.combined import combined
from mir_task.report.interaction import interaction

REPEATS = 1500
COVERAGE_REPEATS = 4000
"""Draws of each world of an interval, to know its coverage to 0.35 points."""
ALPHA = 0.05


def run(repeats: int = REPEATS, coverage_repeats: int = COVERAGE_REPEATS) -> Iterator[dict[str, Any]]:
    """Yield one record a simulation: its seed is its number, so that each can be made again alone.

    ``repeats`` of a record are the worlds in which the claim was made, of those drawn; ``share`` is null where in none.
    """
    simulations = [*_levels(), *_alarms(), *intervals.simulations(), *decisions.simulations()]
    for seed, (about, simulate) in enumerate(tqdm(simulations, desc="inference")):
        random = np.random.default_rng(seed)
        drawn = coverage_repeats if about["quantity"] == "coverage" else repeats
        hits = [hit for _ in range(drawn) if (hit := simulate(random)) is not None]
        share = float(np.mean(hits)) if hits else None
        yield {
            **about,
            "seed": seed,
            "drawn": drawn,
            "repeats": len(hits),
            "share": share,
            "simulation_error": math.sqrt(share * (1 - share) / len(hits)) if share is not None else None,
        }


def _levels() -> Iterator[Simulation]:
    """The combined test where MIR says nothing: how often its p is at most 5%."""

    def rejects(random: np.random.Generator, sizes: Sequence[int], shared: bool) -> bool:
        found = combined(groups_of(random, sizes, [0.0] * len(sizes), shared))
        return found is not None and found.p <= ALPHA

    for design, sizes, shared in (
        ("the paper's tables", PAPER, False),
        ("the study's groups", STUDY, False),
        ("the study's groups, one recipe in all", STUDY, True),
    ):
        yield (
            {"what": "combined test", "quantity": "level", "world": design, "n": sum(sizes)},
            partial(rejects, sizes=sizes, shared=shared),
        )


def _alarms() -> Iterator[Simulation]:
    """The interaction test where all groups have one slope."""

    def alarms(
        random: np.random.Generator, sizes: Sequence[int], slope: float, noise: Sequence[float]
    ) -> bool:
        found = interaction(lines(random, sizes, slope, noise))
        assert found is not None
        return found.p < ALPHA

    for design, sizes in (
        ("the paper's tables", PAPER),
        ("the study's groups", STUDY),
        ("two groups of four", (4, 4)),
    ):
        rising = list(3.0 ** np.linspace(-0.5, 0.5, len(sizes)))
        loud = [3.0] + [1.0] * (len(sizes) - 1)
        for slope, noise, how in (
            (0.0, [1.0] * len(sizes), ""),
            (-5.0, [1.0] * len(sizes), ""),
            (0.0, rising, ", noise up to 3 times as large"),
            (-5.0, rising[::-1], ", noise up to 3 times as large, the other way round"),
            (0.0, loud, ", one group 3 times as noisy as the others"),
        ):
            yield (
                {
                    "what": "interaction test",
                    "quantity": "false alarms",
                    "world": f"{design}, slope {slope:g}{how}",
                    "n": sum(sizes),
                },
                partial(alarms, sizes=sizes, slope=slope, noise=noise),
            )
