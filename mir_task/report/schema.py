"""``regression.json``: what the report found, for programs. Null where the data do not allow a number."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1

Interval = tuple[float, float]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pearson(_Frozen):
    """Linear correlation."""

    r: float
    interval: Interval | None = Field(description="95%, Fisher's z; null below 4 models or where |r| = 1")
    p: float | None = Field(description="two-sided")
    p_method: Literal["exact permutation", "t distribution"]


class Spearman(_Frozen):
    """Rank correlation."""

    rho: float
    interval: Interval | None = Field(
        description="95%, Bonett and Wright; null below 8 models or where |rho| = 1"
    )
    p: float | None = Field(description="two-sided")
    p_method: Literal["exact permutation", "t distribution"]


class Kendall(_Frozen):
    """Rank correlation, tau-b."""

    tau: float
    interval: Interval | None = Field(
        default=None, description="null: none was found that covers 95% where the order is clear"
    )
    p: float | None = Field(description="two-sided")
    p_method: Literal["exact permutation", "normal approximation"]


class Slope(_Frozen):
    """Score points per unit of the predictor."""

    estimate: float = Field(description="ordinary least squares")
    interval: Interval | None = Field(description="95%, t distribution; null below 4 models")
    intercept: float
    r_squared: float
    theil_sen: float = Field(description="median of the slopes between all pairs of models")
    theil_sen_interval: Interval | None = Field(
        default=None, description="null: none was found that covers 95%"
    )


class LeaveOneOut(_Frozen):
    """Each model's score predicted by a line through the others."""

    rmse: float = Field(description="in score points")
    rmse_of_mean: float = Field(description="when the mean of the others is the prediction instead")
    better_than_mean: bool


class Influence(_Frozen):
    """The same fit without each of its models in turn."""

    slopes: Interval = Field(description="lowest and highest slope without one model")
    pearson: Interval | None = Field(description="the same of Pearson's r; null where scores would not vary")
    model: str = Field(description="the model without which the slope changes most")
    slope_without: float = Field(description="the slope without that model")


class RankingAccuracy(_Frozen):
    """Pairs of models that the predictor puts in the order of their scores."""

    value: float | None = Field(description="correct / pairs; null if no pair differs in both")
    correct: int
    pairs: int = Field(description="pairs of models that differ in predictor and score")
    tied: int = Field(description="pairs of models equal in predictor or score, not counted")
    within_error: int = Field(
        default=0,
        description="counted pairs of one group whose MIR cannot be told apart: 95%, Holm over the leaderboard's pairs",
    )


class Regret(_Frozen):
    """What it costs to choose the model that the predictor puts first."""

    lost: float = Field(description="best score minus that of the chosen model, in score points")
    chosen: list[str] = Field(description="several if they tie exactly; then lost is their mean")
    best: list[str]
    by_chance: float = Field(description="the same for a model chosen at random: best score minus mean score")


class ScoreNoise(_Frozen):
    """Do the averages of a group differ more than their errors allow? Cochran's test of heterogeneity."""

    q: float = Field(description="weighted sum of squares of the averages around their mean")
    degrees_of_freedom: tuple[float, float | None] = Field(
        description="of the models, and of the errors where these come from runs of SFT; null: of the benchmarks' sizes"
    )
    p: float
    within_noise: bool = Field(
        description="the scores differ no more than their errors allow: no predictor can be told right or wrong by them"
    )


class Fit(_Frozen):
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


class WithinGroups(_Frozen):
    """Ordinary least squares with each group's own intercept (fixed effects)."""

    slope: float = Field(description="score points per unit of MIR, within groups")
    interval: Interval | None = Field(description="95%, t distribution")
    r_squared_within: float = Field(description="explained share of the variation around the groups' means")
    influence: Influence | None = Field(
        default=None, description="of the slope; without ranges of Pearson's r"
    )


class Interaction(_Frozen):
    """Do slopes differ between groups? A slope for each group against one slope, levels free in both."""

    f: float
    degrees_of_freedom: tuple[int, int] = Field(description="of the interaction and of the residual")
    p: float = Field(description="by parametric bootstrap with each group's own noise, not from Fisher's F")


class Pooled(Fit):
    """All models of several groups, each counted once.

    Its correlations and slope have no intervals and no p-values: models of one group are alike, and those would count
    them as independent. ``regret`` is the mean over groups of choosing within each.
    """

    groups: list[str]
    left_out: dict[str, str] = Field(default_factory=dict, description="group: why it is not in the pool")
    within: WithinGroups | None = None
    ranking_accuracy_within: RankingAccuracy | None = Field(
        default=None, description="over pairs of models of one group"
    )
    interaction: Interaction | None = Field(
        default=None, description="of group and MIR; null where too few models leave no residual"
    )
    disagreement: Literal["sign", "size"] | None = Field(
        default=None,
        description="sign: the 95% intervals of the pooled slope and of that within groups lie on opposite sides of "
        "zero (Simpson's paradox); size: the interaction's p is below 0.05",
    )


class Combined(_Frozen):
    """Pairs of recipes within groups that MIR puts in the order of their average scores, all groups together."""

    p: float = Field(
        description="one-sided: lower MIR with higher scores; permutation of scores within groups"
    )
    p_reversed: float = Field(description="one-sided, of the opposite: higher MIR with higher scores")
    p_method: Literal["exact permutation", "approximation"]
    concordance: float = Field(description="share of pairs in order; a coin would get a half")
    interval: Interval | None = Field(
        description="95%, of the share in order among recipes and groups like these; null below 4 groups"
    )
    correct: int
    pairs: int = Field(description="pairs of recipes of one group that differ in MIR and score")
    groups: int
    recipes: int = Field(description="models with MIR and score, each counted once")
    counted_elsewhere: int = Field(
        default=0, description="entries left out, since their recipe is in an earlier group too"
    )


class Against(_Frozen):
    """MIR against one baseline: pairs of recipes within groups that each puts in the order of their scores.

    Both are asked about the same recipes, in the groups where the baseline varies. Pairs count that differ in score;
    one that is tied in a predictor counts half for it, as a coin would get.
    """

    predictor: str = Field(description="the baseline's column, or that of the training step")
    better: Literal["lower", "higher"] = Field(description="which end of the baseline is better")
    groups: int
    recipes: int = Field(description="models with MIR, baseline and score, each counted once")
    pairs: int
    mir_share: float = Field(description="share of pairs that MIR puts in order")
    baseline_share: float = Field(description="the same of the baseline")
    difference: float = Field(description="mir_share - baseline_share")
    interval: Interval | None = Field(
        description="95%, of the difference among recipes like these; null where none was found that covers"
    )
    p: float | None = Field(description="one-sided: MIR is better; null where interval is")
    p_baseline_better: float | None = Field(description="one-sided: the baseline is better")


class Prediction(_Frozen):
    """Score after SFT of a checkpoint that was not fine-tuned yet, by the line through the others of its group."""

    group: str
    model: str
    mir: float
    n: int = Field(description="models of the group with MIR and score, through which the line goes")
    predicted: float
    interval: Interval = Field(description="95% prediction interval, Student's t")
    inside: bool = Field(description="its MIR lies within the range of the models that have a score")


MIRStatus = Literal["tells", "does not tell", "reversed", "too few", "not tested"]
"""tells: lower MIR goes with higher scores, one-sided p below 0.05 within groups; reversed: the opposite does; does not
tell: neither, though the recipes would have shown an order of 75% of pairs with 80% power; too few: neither, and they
would not; not tested: there are no scores, or nothing in them varies."""


class Candidate(_Frozen):
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


class Decision(_Frozen):
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
        description="the recommended of each group: a checkpoint may be in several, and recommended in one of them alone",
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


class Course(_Frozen):
    """MIR over the steps of one training, and where it goes."""

    training: str
    direction: Literal["rising", "falling", "turned", "cannot tell"] = Field(
        description="turned: it has risen and now falls, each by more than the noise of pairs and of training allows"
    )
    turn: float | None = Field(
        default=None, description="step of the highest MIR; null where it has not turned"
    )
    turn_between: Interval | None = Field(
        default=None, description="steps of all points that cannot be told from the highest"
    )
    steps: list[float]
    mir: list[float]
    standard_error: list[float | None]
    loss: list[float | None]
    sentence: str


class Regression(_Frozen):
    """All that the report found."""

    schema_version: int = SCHEMA_VERSION
    decision: Decision = Field(description="the answer")
    verdict: list[str] = Field(description="sentences, generated from the numbers below")
    groups: list[Fit] = Field(description="MIR against the average, one entry a group")
    combined: Combined | None = Field(default=None, description="all groups together, compared within each")
    pooled: Pooled | None = None
    benchmarks: list[Fit] = Field(default_factory=list, description="MIR against each benchmark, by group")
    baselines: list[Fit] = Field(
        default_factory=list, description="each baseline against the average, and MIR on the same models"
    )
    trainings: list[Course] = Field(default_factory=list, description="of several steps of one training")
    against: list[Against] = Field(
        default_factory=list, description="MIR against each baseline and training step, all groups together"
    )
    predictions: list[Prediction] = Field(
        default_factory=list, description="checkpoints without a score, where their group has enough with one"
    )
    skipped: list[str] = Field(default_factory=list, description="files that could not be used, and why")
    notes: list[str] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)
