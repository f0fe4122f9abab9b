"""Groups of models together: the pool, pairs in order within groups, MIR against baselines."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mir_task.report.schema.base import Frozen, Interval
from mir_task.report.schema.fits import Fit, Influence, RankingAccuracy


class WithinGroups(Frozen):
    """Ordinary least squares with each group's own intercept (fixed effects)."""

    slope: float = Field(description="score points per unit of MIR, within groups")
    interval: Interval | None = Field(description="95%, t distribution")
    r_squared_within: float = Field(description="explained share of the variation around the groups' means")
    influence: Influence | None = Field(
        default=None, description="of the slope; without ranges of Pearson's r"
    )


class Interaction(Frozen):
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


class Combined(Frozen):
    """Pairs of recipes within groups that MIR puts in the order of their average scores, all groups together."""

    p: float = Field(
        description="one-sided: lower MIR with higher scores; permutation of scores within groups"
    )
    p_reversed: float = Field(description="one-sided, of the opposite: higher MIR with higher scores")
    p_method: Literal["exact permutation", "approximation"]
    concordance: float = Field(description="share of pairs in order; a coin would get a half")
    interval: Interval | None = Field(
        description="95%, of the share in order among recipes and groups like these; null below 40 pairs or 5 groups, "
        "and where these are worth fewer than 4 of equal size: (sum of their pairs)^2 / sum of their squares"
    )
    correct: int
    pairs: int = Field(description="pairs of recipes of one group that differ in MIR and score")
    groups: int
    recipes: int = Field(description="models with MIR and score, each counted once")
    counted_elsewhere: int = Field(
        default=0, description="entries left out, since their recipe is in an earlier group too"
    )


class Against(Frozen):
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
        description="95%, of the difference among recipes and groups like these; null where that of combined would be, "
        "or where both order the pairs alike"
    )
    p: float | None = Field(
        description="one-sided: MIR is better; null where groups are worth fewer than 4 and one of them has fewer "
        "than 8 recipes, or both order the pairs alike"
    )
    p_baseline_better: float | None = Field(description="one-sided: the baseline is better")
