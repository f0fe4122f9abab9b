"""Simulations of every interval that the report states: how often it holds the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mir_task.bench.decisions import equal_models
from mir_task.bench.worlds import PAPER, STUDY, Simulation, groups_of, lines
from mir_task.report import association
from mir_task.report.combined import combined
from mir_task.report.paired import interval_over_pairs
from mir_task.report.pool import within_groups
from mir_task.report.schema import Interval
from mir_task.report.trajectory import Point, Trajectory
from mir_task.report.turn import turn

Array = NDArray[np.float64]


def simulations() -> Iterator[Simulation]:
    """All of them; intervals of predicted scores and of MIR less a baseline are with the decision's."""
    yield from _of_one_group()
    yield from _within()
    yield from _shares()
    yield from _measurements()
    yield from _turns()


def _of_one_group() -> Iterator[Simulation]:
    """Intervals of one group, bivariate normal."""

    def covers(
        random: np.random.Generator,
        interval: Callable[[Array, Array], Interval | None],
        truth: float,
        r: float,
        n: int,
    ) -> bool | None:
        x = random.normal(size=n)
        y = r * x + math.sqrt(1 - r * r) * random.normal(size=n)
        found = interval(x, y)
        return None if found is None else found[0] <= truth <= found[1]

    def line(x: Array, y: Array, at: float) -> Interval | None:
        _, low, high = association.confidence_band(x, y, np.array([at]))
        return None if low is None or high is None else (float(low[0]), float(high[0]))

    def slope(x: Array, y: Array) -> Interval | None:
        return association.slope(x, y).interval

    for r in (0.0, -0.6, -0.9):
        for name, interval, truth in (
            ("Pearson", association.pearson_interval, r),
            ("slope", slope, r),
            ("line at the mean MIR", partial(line, at=0.0), 0.0),
            ("line two spreads from the mean MIR", partial(line, at=2.0), 2 * r),
        ):
            for n in (4, 6, 12, 24):
                yield (
                    {"what": name, "quantity": "coverage", "world": f"correlation {r:g}", "n": n},
                    partial(covers, interval=interval, truth=truth, r=r, n=n),
                )


def _within() -> Iterator[Simulation]:
    """The interval of the one slope within groups."""

    def covers(random: np.random.Generator, sizes: Sequence[int]) -> bool | None:
        found = within_groups(lines(random, sizes, -5.0, [1.0] * len(sizes)))
        return found.interval and found.interval[0] <= -5 <= found.interval[1] if found else None

    for design, sizes in (("the paper's tables", PAPER), ("the study's groups", STUDY)):
        about = {"what": "slope within groups", "quantity": "coverage", "world": f"{design}, slope -5"}
        yield {**about, "n": sum(sizes)}, partial(covers, sizes=sizes)


def _shares() -> Iterator[Simulation]:
    """The interval of the share of pairs in order, among groups whose correlations (Fisher's z) differ or not."""

    def covers(
        random: np.random.Generator, sizes: Sequence[int], r: float, differ: float, truth: float
    ) -> bool | None:
        correlations = np.tanh(np.arctanh(r) + differ * random.normal(size=len(sizes)))
        found = combined(groups_of(random, sizes, list(correlations)))
        return found.interval and found.interval[0] <= truth <= found.interval[1] if found else None

    quantiles = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    alike = [(0.0, 0.0), (-0.6, 0.0), (-0.9, 0.0), (-0.97, 0.0), (-0.99, 0.0)]
    apart = [(0.0, 0.8), (-0.6, 0.5), (-0.6, 0.8), (-0.9, 0.5), (-0.9, 0.8)]
    for design, sizes, worlds in (
        ("the paper's tables", PAPER, alike + apart),
        ("the study's groups", STUDY, alike + apart),
        ("five groups of five", (5,) * 5, alike + apart),
        ("ten groups of five", (5,) * 10, alike + apart),
        ("one large group and four small ones", (12, 3, 3, 4, 4), [(-0.6, 0.8)]),
        ("four groups of eight", (8,) * 4, [(-0.6, 0.8)]),
        ("six groups of four", (4,) * 6, [(-0.6, 0.8)]),
    ):
        for r, differ in worlds:
            truth = float(np.mean(0.5 - np.arcsin(np.tanh(np.arctanh(r) + differ * quantiles)) / math.pi))
            world = f"{design}, correlation {r:g}" + (f", z of groups {differ:g} apart" if differ else "")
            yield (
                {"what": "share of pairs in order", "quantity": "coverage", "world": world, "n": sum(sizes)},
                partial(covers, sizes=sizes, r=r, differ=differ, truth=truth),
            )


def _measurements() -> Iterator[Simulation]:
    """The interval of one model's MIR over other choices of pairs, by the jackknife over ten groups of them."""

    def covers(random: np.random.Generator, runs: int) -> bool | None:
        found = interval_over_pairs(equal_models(random, (1,), 0.0, runs)[0][0])
        return None if found is None else found[0] <= 0 <= found[1]

    for runs in (1, 2):
        about = {
            "what": "MIR of one model",
            "quantity": "coverage",
            "world": f"training seeds: {runs}",
            "n": 1,
        }
        yield about, partial(covers, runs=runs)


def _turns() -> Iterator[Simulation]:
    """The steps between which MIR is said to turn, where it is a parabola with its peak off the middle."""

    def covers(random: np.random.Generator, steps: int, scatter: float) -> bool | None:
        at = np.arange(steps)
        true = -8 * np.square((at - steps // 2 - 1) / (steps // 2))
        points = tuple(
            Point(float(step), float(mir), 1.0)
            for step, mir in zip(at, true + scatter * random.normal(size=steps), strict=True)
        )
        found = turn(Trajectory("a", "a", points))
        return None if found is None else found.earliest <= steps // 2 + 1 <= found.latest

    for steps in (9, 20):
        for scatter, how in ((1.0, "noise of pairs"), (3.0, "noise of training three times that of pairs")):
            about = {"what": "steps of the turn", "quantity": "coverage", "world": how, "n": steps}
            yield about, partial(covers, steps=steps, scatter=scatter)
