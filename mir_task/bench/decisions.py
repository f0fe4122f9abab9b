"""Simulations of what a decision rests on: ties, noise of scores, MIR against a baseline, predicted scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mir_task.bench.worlds import PAPER, STUDY, Simulation, checkpoint
from mir_task.report.against import against_one
from mir_task.report.checkpoint import Checkpoint
from mir_task.report.predict import MIN_SCORED, interval_around_mean, prediction_interval
from mir_task.report.records import Run
from mir_task.report.score_noise import average_error, score_noise
from mir_task.report.ties import told_apart
from mir_task.result import MIRResult, Protocol

Array = NDArray[np.float64]

GROUPS = 10
"""Groups of pairs of a measurement."""


def simulations() -> Iterator[Simulation]:
    """All of them: what it is about, and a function that draws one world and says whether the claim erred or held."""
    yield from _ties()
    yield from _noise()
    yield from _against()
    yield from _predictions()


def equal_models(
    random: np.random.Generator, sizes: Sequence[int], shared: float, runs: int = 1
) -> list[list[Checkpoint]]:
    """Draw groups of models of equal MIR, each run measured on ten groups of pairs.

    Args:
        random: where numbers come from.
        sizes: models of each group.
        shared: share of the variance over pairs that all models have in common; 0: other pairs for each.
        runs: training seeds of each model, as far apart as five standard errors.
    """
    found = []
    common = random.normal(size=GROUPS)
    for number, size in enumerate(sizes):
        members = []
        for index in range(size):
            name = f"{number}/{index}"
            measured = [
                _run(random, name, common, shared, spread=5.0 if runs > 1 else 0.0) for _ in range(runs)
            ]
            errors = [run.standard_error or 0.0 for run in measured]
            members.append(
                checkpoint(
                    name,
                    str(number),
                    float(np.mean([run.mir for run in measured])),
                    standard_error=math.sqrt(np.mean(np.square(errors))),
                    spread=float(np.std([run.mir for run in measured], ddof=1)) if runs > 1 else None,
                    runs=tuple(measured),
                )
            )
        found.append(members)
    return found


def _run(random: np.random.Generator, name: str, common: Array, shared: float, spread: float) -> Run:
    """One measurement whose MIR is a mean over groups of pairs; its jackknife values are then exact."""
    values = math.sqrt(shared) * common + math.sqrt(1 - shared) * random.normal(size=GROUPS)
    level = spread / math.sqrt(GROUPS) * random.normal()
    left_out = level + (values.sum() - values) / (GROUPS - 1)
    error = float(np.std(values, ddof=1) / math.sqrt(GROUPS))
    ids = ["all"] if shared else [name]
    result = MIRResult.model_construct(
        mir=float(level + values.mean()),
        mir_left_out=list(left_out),
        groups=GROUPS,
        skipped=[],
        protocol=Protocol.model_construct(pair_ids=ids),
    )
    return Run(name, {"mir": result.mir, "mir_se": error}, "", result=result)


def _ties() -> Iterator[Simulation]:
    """Leaderboards of equal models: how often any two of them are called different."""

    def alarms(random: np.random.Generator, sizes: Sequence[int], shared: float, runs: int) -> bool:
        groups = equal_models(random, sizes, shared, runs)
        return any(bool(differ.any()) for differ in told_apart(groups))

    for shared, runs, how in (
        (0.8, 1, "the same pairs"),
        (0.0, 1, "other pairs for each"),
        (0.8, 2, "two seeds each"),
        (0.8, 3, "three seeds each"),
    ):
        for design, sizes in (
            ("two models", (2,)),
            ("eight models", (8,)),
            ("three groups of five", (5, 5, 5)),
        ):
            yield (
                {"what": "ties", "quantity": "false alarms", "world": f"{design}, {how}", "n": sum(sizes)},
                partial(alarms, sizes=sizes, shared=shared, runs=runs),
            )


def _noise() -> Iterator[Simulation]:
    """Models of equal scores on six benchmarks: how often their averages are said to differ beyond their errors."""
    factors = dict.fromkeys("abcdef", 1.0)

    def alarms(random: np.random.Generator, n: int, runs: int) -> bool:
        members = []
        for index in range(n):
            scores = random.normal(size=(runs, len(factors))) * np.arange(1, 7)
            members.append(
                checkpoint(
                    str(index),
                    "g",
                    0.0,
                    float(scores.mean()),
                    score_errors=dict(zip(factors, range(1, 7), strict=True)),
                    score_runs=runs,
                    score_spread=dict(zip(factors, scores.std(axis=0, ddof=1), strict=True))
                    if runs > 1
                    else {},
                )
            )
        told = [
            replace(c, average_error=error, average_freedom=freedom)
            for c in members
            for error, freedom in [average_error(c, factors)]
        ]
        found = score_noise(told)
        assert found is not None
        return not found.within_noise

    for n in (4, 8):
        for runs, how in ((1, "stated errors"), (2, "two runs of SFT"), (3, "three runs of SFT")):
            about = {"what": "noise of scores", "quantity": "false alarms", "world": how, "n": n}
            yield about, partial(alarms, n=n, runs=runs)


def _against() -> Iterator[Simulation]:
    """MIR against a baseline: coverage of the interval of the difference, and level of its p where both are as good."""

    def draw(
        random: np.random.Generator,
        sizes: Sequence[int],
        both: tuple[float, float],
        alike: float,
        differ: float,
    ) -> Any:
        groups = {}
        for number, size in enumerate(sizes):
            mir, baseline = np.tanh(np.arctanh(both) + differ * random.normal(size=2))
            score, noise = random.normal(size=size), random.normal(size=size)
            other = alike * noise + math.sqrt(1 - alike**2) * random.normal(size=size)
            x = -(mir * score + math.sqrt(1 - mir**2) * noise)
            z = -(baseline * score + math.sqrt(1 - baseline**2) * other)
            groups[str(number)] = [
                checkpoint(
                    f"{number}/{i}", str(number), float(x[i]), float(score[i]), extras={"loss": float(z[i])}
                )
                for i in range(size)
            ]
        return against_one(groups, "loss", "lower")

    def covers(random: np.random.Generator, truth: float, **world: Any) -> bool | None:
        found = draw(random, **world)
        return found.interval[0] <= truth <= found.interval[1] if found and found.interval else None

    def rejects(random: np.random.Generator, **world: Any) -> bool | None:
        found = draw(random, **world)
        return None if not found or found.p is None else found.p <= 0.05

    quantiles = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    designs: dict[str, Sequence[int]] = {
        "the paper's tables": PAPER,
        "the study's groups": STUDY,
        "one group": (8,),
        "one group of more": (20,),
        "three groups": (8, 8, 8),
    }
    for design, sizes in designs.items():
        for both, alike, differ in (
            ((0.6, 0.6), 0.0, 0.0),
            ((0.6, 0.6), 0.7, 0.0),
            ((0.8, 0.0), 0.0, 0.0),
            ((0.97, 0.9), 0.0, 0.0),
            ((0.6, 0.6), 0.0, 0.5),
        ):
            if differ and len(sizes) < 4:
                continue
            mir, baseline = (
                float(np.mean(np.arcsin(np.tanh(np.arctanh(r) + differ * quantiles)))) / math.pi for r in both
            )
            world = f"{design}, correlations {both[0]:g} and {both[1]:g}"
            world += ", alike errors" if alike else ""
            world += f", z of groups {differ:g} apart" if differ else ""
            about = {"what": "MIR against a baseline", "world": world, "n": sum(sizes)}
            given: dict[str, Any] = {"sizes": sizes, "both": both, "alike": alike, "differ": differ}
            if len(sizes) >= 4:  # of fewer groups no interval is stated
                yield {**about, "quantity": "coverage"}, partial(covers, truth=mir - baseline, **given)
            if both[0] == both[1] and not alike:
                yield {**about, "quantity": "level"}, partial(rejects, **given)


def _predictions() -> Iterator[Simulation]:
    """Predicted scores: how often the prediction interval holds the score of a new model."""

    def covers(
        random: np.random.Generator, n: int, noise: float, more: float, heavy: bool, curve: float
    ) -> bool:
        """Noise of all MIR, further noise of the new one's, tails of the scores' noise, curvature of the truth."""
        x = random.normal(size=n + 1)
        errors = stats.t.rvs(3, size=n + 1, random_state=random) if heavy else random.normal(size=n + 1)
        y = -2 * x + curve * x**2 + errors
        seen = x + noise * random.normal(size=n + 1)
        seen[n] += more * random.normal()
        _, (low, high) = prediction_interval(seen[:n], y[:n], float(seen[n]), more**2)
        return bool(low <= y[n] <= high)

    for n in (MIN_SCORED, 8, 12):
        for how, world in {
            "a line": (0.0, 0.0, False, 0.0),
            "noise of MIR half its spread": (0.5, 0.0, False, 0.0),
            "the new one's MIR noisier": (0.0, 0.5, False, 0.0),
            "heavy tails (t of 3)": (0.0, 0.0, True, 0.0),
            "a curve": (0.0, 0.0, False, 0.5),
        }.items():
            noise, more, heavy, curve = world
            about = {"what": "predicted score", "quantity": "coverage", "world": how, "n": n}
            yield about, partial(covers, n=n, noise=noise, more=more, heavy=heavy, curve=curve)

    def holds_another(random: np.random.Generator, n: int) -> bool:
        *seen, new = random.normal(size=n + 1)
        _, (low, high) = interval_around_mean(np.array(seen))
        return bool(low <= new <= high)

    for n in (MIN_SCORED, 12):
        about = {
            "what": "predicted score",
            "quantity": "coverage",
            "world": "the mean, MIR tells nothing",
            "n": n,
        }
        yield about, partial(holds_another, n=n)
