"""How one predictor relates to one score in one group of models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mir_task.report.schema.base import Frozen, Interval


class Pearson(Frozen):
    """Linear correlation."""

    r: float
    interval: Interval | None = Field(description="95%, Fisher's z; null below 4 models or where |r| = 1")
    p: float | None = Field(description="two-sided")
    p_method: Literal["exact permutation", "t distribution"]


class Spearman(Frozen):
    """Rank correlation."""

    rho: float
    p: float | None = Field(description="two-sided")
    p_method: Literal["exact permutation", "t distribution"]


class Kendall(Frozen):
    """Rank correlation, tau-b."""

    tau: float
    p: float | None = Field(description="two-sided")
    p_method: Literal["exact permutation", "normal approximation"]


class Slope(Frozen):
    """Score points per unit of the predictor."""

    estimate: float = Field(description="ordinary least squares")
    interval: Interval | None = Field(description="95%, t distribution; null below 4 models")
    intercept: float
    r_squared: float
    theil_sen: float = Field(description="median of the slopes between all pairs of models")


class LeaveOneOut(Frozen):
    """Each model's score predicted by a line through the others."""

    rmse: float = Field(description="in score points")
    rmse_of_mean: float = Field(description="when the mean of the others is the prediction instead")
    better_than_mean: bool


class Influence(Frozen):
    """The same fit without each of its models in turn."""

    slopes: Interval = Field(description="lowest and highest slope without one model")
    pearson: Interval | None = Field(description="the same of Pearson's r; null where scores would not vary")
    model: str = Field(description="the model without which the slope changes most")
    slope_without: float = Field(description="the slope without that model")


class RankingAccuracy(Frozen):
    """Pairs of models that the predictor puts in the order of their scores."""

    value: float | None = Field(description="correct / pairs; null if no pair differs in both")
    correct: int
    pairs: int = Field(description="pairs of models that differ in predictor and score")
    tied: int = Field(description="pairs of models equal in predictor or score, not counted")
    within_error: int = Field(
        default=0,
        description="counted pairs of one group whose MIR cannot be told apart: 95%, Holm over the leaderboard's pairs",
    )


class Regret(Frozen):
    """What it costs to choose the model that the predictor puts first."""

    lost: float = Field(description="best score minus that of the chosen model, in score points")
    chosen: list[str] = Field(description="several if they tie exactly; then lost is their mean")
    best: list[str]
    by_chance: float = Field(description="the same for a model chosen at random: best score minus mean score")


class ScoreNoise(Frozen):
    """Do the averages of a group differ more than their errors allow? Cochran's test of heterogeneity."""

    q: float = Field(description="weighted sum of squares of the averages around their mean")
    degrees_of_freedom: tuple[float, float | None] = Field(
        description="of the models, and of the errors where these come from runs of SFT; null: of the benchmarks' sizes"
    )
    p: float
    within_noise: bool = Field(
        description="the scores differ no more than their errors allow: no predictor can be told right or wrong by them"
    )


class Fit(Frozen):
    """How one predictor relates to one score in one group of models."""

    group: str
    predictor: str = Field(description="'mir' or a baseline's column")
    better: Literal["lower", "higher"] = Field(description="which end of the predictor is better")
    score: str = Field(description="'average' or a benchmark")
    over: list[str] = Field(default_factory=list, description="benchmarks of the average")
    n: int = Field(description="models with both numbers")
    excluded: list[str] = Field(
        default_factory=list, description="models of the group that lack one of the two"
    )
    pearson: Pearson | None = None
    spearman: Spearman | None = None
    kendall: Kendall | None = None
    slope: Slope | None = None
    loo: LeaveOneOut | None = None
    influence: Influence | None = Field(default=None, description="null below 4 models")
    ranking_accuracy: RankingAccuracy | None = None
    regret: Regret | None = None
    score_noise: ScoreNoise | None = Field(
        default=None, description="of MIR's fit to the average; null where an average has no standard error"
    )
    notes: list[str] = Field(default_factory=list, description="why a number is null")
