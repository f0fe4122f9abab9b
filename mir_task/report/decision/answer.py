"""The choice within one group: what is recommended, by what, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.decision import outlook
from mir_task.report.decision.best import Chances, chances, smallest_set
from mir_task.report.decision.telling import MIR, Judged, Telling
from mir_task.report.predict import MIN_SCORED, excess, interval_around_mean, prediction_interval
from mir_task.report.schema import Candidate, Interval
from mir_task.report.trainings import Training
from mir_task.report.trust import means_nothing

SCORES = "scores"
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """What to choose in one group."""

    group: str
    members: tuple[Checkpoint, ...]
    by: str | None
    """``mir``, a baseline, ``scores``; None where nothing tells."""
    basis: Literal["scores", "prediction", "order"] | None
    """Measured scores; predicted beside measured ones; or only the predictor's order."""
    chosen: tuple[Checkpoint, ...]
    """The first is that of least expected loss."""
    p: float | None
    """Probability that the best is among them; where the basis is MIR's order, that the lowest MIR is."""
    loss: float | None
    """Expected points lost by the first."""
    candidates: tuple[Candidate, ...]
    barring: tuple[Training, ...] = ()
    """The trainings whose checkpoints were left out, since MIR must not be compared by them."""

    blind: tuple[Checkpoint, ...] = ()
    """Left out too: their MIR means nothing, since pictures hardly differ in their vision tokens."""

    @property
    def is_limited(self) -> bool:
        """Whether checkpoints were left out of the comparison by MIR."""
        return bool(self.barring or self.blind)

    @property
    def is_open(self) -> bool:
        """Whether there is a checkpoint to choose that has no score yet."""
        return len(self.members) > 1 and any(c.average is None for c in self.members)


def answer(
    group: str, members: Sequence[Checkpoint], judged: Judged, trainings: Sequence[Training] = ()
) -> Answer:
    """Choose within a group: by scores where all have one, by prediction where enough have, else by a predictor."""
    scored = sum(c.average is not None for c in members)
    by = _usable(judged.by, members)
    if scored == len(members):
        return _by_scores(group, members)
    if scored >= MIN_SCORED:
        # MIR that is not known to tell predicts nothing: the mean of the scored ones does, with their spread.
        by = by if by is None or by.tells else None
        draws = outlook.of_predictions(members, by)
        if draws is not None:
            return _by_prediction(group, members, by, draws)
    if by is None:
        return Answer(group, tuple(members), None, None, (), None, None, _plain(group, members))
    if by.predictor == MIR:
        return _by_mir(group, members, trainings)
    values = [by.value(c) or 0.0 for c in members]
    chosen = tuple(c for c, value in zip(members, values, strict=True) if value == min(values))
    return Answer(group, tuple(members), by.predictor, "order", chosen, None, None, _plain(group, members))


def _usable(by: Telling | None, members: Sequence[Checkpoint]) -> Telling | None:
    return by if by is not None and all(by.value(c) is not None for c in members) else None


def _by_scores(group: str, members: Sequence[Checkpoint]) -> Answer:
    scores = [c.average or 0.0 for c in members]
    draws = outlook.of_scores(members)
    if draws is None:
        chosen = tuple(c for c, score in zip(members, scores, strict=True) if score == max(scores))
        return Answer(group, tuple(members), SCORES, "scores", chosen, None, None, _plain(group, members))
    return _by_chances(group, members, SCORES, "scores", chances(draws))


def _by_prediction(group: str, members: Sequence[Checkpoint], by: Telling | None, draws: Array) -> Answer:
    return _by_chances(
        group,
        members,
        by.predictor if by else SCORES,
        "prediction",
        chances(draws),
        {c.name: _predicted(c, members, by) for c in members if c.average is None},
    )


def _by_mir(group: str, members: Sequence[Checkpoint], trainings: Sequence[Training]) -> Answer:
    """The lowest MIR among the checkpoints that MIR may be compared by."""
    names = {c.name for c in members}
    barring = tuple(training for training in trainings if training.not_to_choose & names)
    barred = frozenset[str]().union(*(training.not_to_choose for training in barring))
    blind = tuple(c for c in members if means_nothing(c))
    barred |= {c.name for c in blind}
    left = [n for n, c in enumerate(members) if c.name not in barred]
    draws = outlook.of_mir(members)
    if draws is None:
        candidates, p = _plain(group, members), None
        least = min((members[n].mir for n in left), default=None)
        chosen = [n for n in left if members[n].mir == least]
    else:
        candidates = tuple(
            Candidate(group=group, model=c.name, p_lowest_mir=float(each))
            for c, each in zip(members, chances(draws).p_best, strict=True)
        )
        chosen, p = _lowest(draws, left) if left else ([], None)
    recommended = tuple(members[n] for n in chosen)
    if not recommended:
        return Answer(group, tuple(members), None, None, (), None, None, candidates, barring, blind)
    return Answer(group, tuple(members), MIR, "order", recommended, p, None, candidates, barring, blind)


def _lowest(draws: Array, left: list[int]) -> tuple[list[int], float]:
    """Positions to recommend among those left, and the probability that the best of those left is among them."""
    found = chances(draws[:, left])
    positions = smallest_set(found)
    return [left[n] for n in positions], _together(found, positions)


def _by_chances(
    group: str,
    members: Sequence[Checkpoint],
    by: str,
    basis: Literal["scores", "prediction"],
    found: Chances,
    predicted: dict[str, tuple[float, Interval]] | None = None,
) -> Answer:
    positions = smallest_set(found)
    nothing: tuple[None, None] = (None, None)
    values = [(predicted or {}).get(c.name, nothing) for c in members]
    return Answer(
        group,
        tuple(members),
        by,
        basis,
        tuple(members[n] for n in positions),
        _together(found, positions),
        float(found.expected_loss[positions[0]]),
        tuple(
            Candidate(
                group=group,
                model=c.name,
                p_best=float(p),
                expected_loss=float(loss),
                predicted=value[0],
                interval=value[1],
            )
            for c, p, loss, value in zip(members, found.p_best, found.expected_loss, values, strict=True)
        ),
    )


def _predicted(new: Checkpoint, members: Sequence[Checkpoint], by: Telling | None) -> tuple[float, Interval]:
    """Score after SFT and its 95% prediction interval, by the line through the scored ones or by their mean."""
    scored = [c for c in members if c.average is not None]
    y = np.array([c.average for c in scored], dtype=np.float64)
    if by is None:
        return interval_around_mean(y)
    x = np.array([by.value(c) for c in scored], dtype=np.float64)
    noise = excess(new, scored) if by.predictor == MIR else 0.0
    return prediction_interval(x, y, by.value(new) or 0.0, noise)


def _plain(group: str, members: Sequence[Checkpoint]) -> tuple[Candidate, ...]:
    """The candidates without probabilities."""
    return tuple(Candidate(group=group, model=c.name) for c in members)


def _together(found: Chances, positions: list[int]) -> float:
    return min(1.0, float(found.p_best[positions].sum()))
