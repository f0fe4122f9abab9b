"""Which checkpoint to fine-tune, and what the numbers say of each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mir_task.report.schema.base import Frozen, Interval

MIRStatus = Literal["tells", "does not tell", "reversed", "too few", "not tested"]
"""tells: lower MIR goes with higher scores, one-sided p below 0.05 within groups; reversed: the opposite does; does not
tell: neither, though the recipes would have shown an order of 75% of pairs with 80% power; too few: neither, and they
would not; not tested: there are no scores, or nothing in them varies."""


class Candidate(Frozen):
    """What is known of one checkpoint that could be chosen."""

    group: str
    model: str = Field(description="its whole name, as in leaderboard.csv")
    p_lowest_mir: float | None = Field(
        default=None,
        description="probability that its MIR is truly the lowest of its group, by MIR's standard errors; not that it "
        "scores best; null where not known",
    )
    p_best: float | None = Field(
        default=None, description="probability that it has the best score of its group; null where not known"
    )
    expected_loss: float | None = Field(
        default=None, description="expected score points lost against the best of its group"
    )
    predicted: float | None = Field(
        default=None, description="score after SFT as MIR predicts it; null where scored or not predictable"
    )
    interval: Interval | None = Field(default=None, description="95% prediction interval of that score")


class Decision(Frozen):
    """Which checkpoint to fine-tune, how sure that is, and what it rests on.

    With several groups there is one choice a group: ``p_best`` and ``p_lowest_mir`` are then the smallest of theirs,
    and ``expected_loss`` the mean.
    """

    sentence: str = Field(description="the answer in one sentence, first line of every output")
    kind: Literal["one", "set", "not told"] = Field(
        description="one: a checkpoint is recommended (in each group); set: several that cannot be told apart; not "
        "told: none is"
    )
    mir: MIRStatus = Field(default="not tested", description="whether MIR tells which recipe scores higher")
    recommended: list[str] = Field(
        default_factory=list,
        description="whole names; of each group the one of least expected loss first; empty where not told",
    )
    choices: dict[str, list[str]] = Field(
        default_factory=dict,
        description="the recommended of each group: a checkpoint may be in several and recommended in one of them",
    )
    by: str | None = Field(
        default=None,
        description="'mir', a baseline's column, or 'scores' where MIR has no part in it; null where not told",
    )
    p_best: float | None = Field(
        default=None,
        description="probability that the best score is among the recommended; null where not known",
    )
    p_lowest_mir: float | None = Field(
        default=None,
        description="probability that the truly lowest MIR is; null where not chosen by MIR alone",
    )
    expected_loss: float | None = Field(
        default=None, description="of the first recommended, in points; null where not known"
    )
    rests_on: list[str] = Field(default_factory=list, description="what the answer rests on, a sentence each")
    instead: str | None = Field(
        default=None, description="the baseline's column that tells, where MIR does not or tells less"
    )
    recipes_needed: int | None = Field(
        default=None,
        description="scored recipes of one group whose test shows with 80% power that MIR orders 75% of pairs; null "
        "where it tells",
    )
    candidates: list[Candidate] = Field(default_factory=list)


class Prediction(Frozen):
    """Score after SFT of a checkpoint that was not fine-tuned yet, by the line through the others of its group."""

    group: str
    model: str
    mir: float
    n: int = Field(description="models of the group with MIR and score, through which the line goes")
    predicted: float
    interval: Interval = Field(description="95% prediction interval, Student's t")
    inside: bool = Field(description="its MIR lies within the range of the models that have a score")
