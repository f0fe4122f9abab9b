"""All that ``regression.json`` holds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mir_task.report.schema.across import Against, Combined, Pooled
from mir_task.report.schema.base import Frozen, Interval
from mir_task.report.schema.decision import Decision, Prediction
from mir_task.report.schema.fits import Fit

SCHEMA_VERSION = 1


class Course(Frozen):
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


class Regression(Frozen):
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
