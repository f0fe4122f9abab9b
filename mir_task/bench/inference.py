"""Checks the report's tests and intervals in simulations whose truth is known: level, false alarms, coverage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from scipy import stats
from tqdm import tqdm

from mir_task.bench import decisions
from mir_task.report import association
from mir_task.report.combined import combined
from mir_task.report.compare import Checkpoint
from mir_task.report.interaction import interaction
from mir_task.report.pool import within_groups
from mir_task.report.schema import Interval

Array = NDArray[np.float64]

REPEATS = 1500
PAPER = (4, 6, 5, 4, 4)
"""Models of the paper's tables 1 to 5."""
STUDY = (8, 4, 7, 4, 4, 2, 5, 4, 6)
"""Recipes of the groups of ``results/study``."""
ALPHA = 0.05


def run(repeats: int = REPEATS) -> Iterator[dict[str, Any]]:
    """Yield one record a simulation: its seed is its number, so that each can be made again alone."""
    simulations: list[tuple[dict[str, Any], Callable[[np.random.Generator], bool | None]]] = [
        *_levels(),
        *_alarms(),
        *_coverages(),
        *_within(),
        *_shares(),
        *decisions.simulations(),
    ]
    for seed, (about, simulate) in enumerate(tqdm(simulations, desc="inference")):
        random = np.random.default_rng(seed)
        hits = [hit for _ in range(repeats) if (hit := simulate(random)) is not None]
        share = float(np.mean(hits))
        yield {
            **about,
            "seed": seed,
            "repeats": len(hits),
            "share": share,
            "simulation_error": math.sqrt(share * (1 - share) / len(hits)),
        }


def groups_of(
    random: np.random.Generator, sizes: Sequence[int], correlations: Sequence[float], shared: bool = False
) -> dict[str, list[Checkpoint]]:
    """Draw groups at levels of their own; ``shared``: the first recipe is in every group."""
    groups: dict[str, list[Checkpoint]] = {}
    first = None
    for number, (size, correlation) in enumerate(zip(sizes, correlations, strict=True)):
        level = np.zeros(2) if shared else 3 * random.normal(size=2)
        x = random.normal(size=size)
        y = correlation * x + math.sqrt(1 - correlation**2) * random.normal(size=size)
        if shared:
            first = first or (x[0], y[0])
            x[0], y[0] = first
        groups[f"group {number}"] = [
            Checkpoint(
                name="base" if shared and index == 0 else f"{number}/{index}",
                label="",
                group=f"group {number}",
                mir=float(mir + level[0]),
                standard_error=None,
                spread=None,
                pairs=None,
                runs=(),
                average=float(score + level[1]),
            )
            for index, (mir, score) in enumerate(zip(x, y, strict=True))
        ]
    return groups


def _levels() -> Iterator[tuple[dict[str, Any], Callable[[np.random.Generator], bool | None]]]:
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


def _alarms() -> Iterator[tuple[dict[str, Any], Callable[[np.random.Generator], bool | None]]]:
    """The interaction test where all groups have one slope."""

    def alarms(
        random: np.random.Generator, sizes: Sequence[int], slope: float, noise: Sequence[float]
    ) -> bool:
        found = interaction(_lines(random, sizes, slope, noise))
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


def _coverages() -> Iterator[tuple[dict[str, Any], Callable[[np.random.Generator], bool | None]]]:
    """Intervals of one group, bivariate normal: how often they hold the true value."""

    def covers(
        random: np.random.Generator,
        interval: Callable[[Array, Array], Interval | None],
        r: float,
        n: int,
    ) -> bool | None:
        x = random.normal(size=n)
        y = r * x + math.sqrt(1 - r * r) * random.normal(size=n)
        found = interval(x, y)
        return None if found is None else found[0] <= r <= found[1]

    kinds: dict[str, Callable[[Array, Array], Interval | None]] = {
        "Pearson": association.pearson_interval,
        "slope": lambda x, y: association.slope(x, y).interval,
    }
    for name, interval in kinds.items():
        for n in (4, 6, 12, 24):
            for r in (0.0, -0.6, -0.9):
                yield (
                    {"what": name, "quantity": "coverage", "world": f"correlation {r:g}", "n": n},
                    partial(covers, interval=interval, r=r, n=n),
                )


def _within() -> Iterator[tuple[dict[str, Any], Callable[[np.random.Generator], bool | None]]]:
    """The interval of the one slope within groups."""

    def covers(random: np.random.Generator, slope: float) -> bool | None:
        found = within_groups(_lines(random, PAPER, slope, [1.0] * len(PAPER)))
        return found.interval and found.interval[0] <= slope <= found.interval[1] if found else None

    about = {"what": "slope within groups", "quantity": "coverage", "world": "the paper's tables, slope -5"}
    yield {**about, "n": sum(PAPER)}, partial(covers, slope=-5.0)


def _lines(
    random: np.random.Generator, sizes: Sequence[int], slope: float, noise: Sequence[float]
) -> DataFrame:
    """Draw groups of one slope at levels of their own, each with its own standard deviation of the noise."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    x = random.normal(size=len(group)) + 3 * random.normal(size=len(sizes))[group]
    y = slope * x + 3 * random.normal(size=len(sizes))[group]
    y += np.asarray(noise)[group] * random.normal(size=len(group))
    return DataFrame({"mir": x, "score": y, "group": group, "name": np.arange(len(group)).astype(str)})


def _shares() -> Iterator[tuple[dict[str, Any], Callable[[np.random.Generator], bool | None]]]:
    """The interval of the share of pairs in order, among groups whose correlations (Fisher's z) differ or not."""

    def covers(
        random: np.random.Generator, sizes: Sequence[int], r: float, differ: float, truth: float
    ) -> bool | None:
        correlations = np.tanh(np.arctanh(r) + differ * random.normal(size=len(sizes)))
        found = combined(groups_of(random, sizes, list(correlations)))
        return found.interval and found.interval[0] <= truth <= found.interval[1] if found else None

    quantiles = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    for design, sizes in (
        ("the paper's tables", PAPER),
        ("the study's groups", STUDY),
        ("four groups of eight", (8,) * 4),
        ("five groups of five", (5,) * 5),
        ("four groups of four", (4,) * 4),
    ):
        for r, differ in (
            *((0.0, 0.0), (-0.6, 0.0), (-0.9, 0.0), (-0.97, 0.0)),
            *((0.0, 0.8), (-0.6, 0.5), (-0.6, 0.8), (-0.9, 0.5)),
        ):
            truth = float(np.mean(0.5 - np.arcsin(np.tanh(np.arctanh(r) + differ * quantiles)) / math.pi))
            world = f"{design}, correlation {r:g}" + (f", z of groups {differ:g} apart" if differ else "")
            yield (
                {"what": "share of pairs in order", "quantity": "coverage", "world": world, "n": sum(sizes)},
                partial(covers, sizes=sizes, r=r, differ=differ, truth=truth),
            )
