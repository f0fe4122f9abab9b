"""``regression.json``: what the report found, for programs. Null where the data do not allow a number."""

from mir_task.report.schema.across import Against, Combined, Interaction, Pooled, WithinGroups
from mir_task.report.schema.base import Interval
from mir_task.report.schema.decision import Candidate, Decision, MIRStatus, Prediction
from mir_task.report.schema.fits import (
    Fit,
    Influence,
    Kendall,
    LeaveOneOut,
    Pearson,
    RankingAccuracy,
    Regret,
    ScoreNoise,
    Slope,
    Spearman,
)
from mir_task.report.schema.whole import SCHEMA_VERSION, Course, Regression

__all__ = [
    "SCHEMA_VERSION",
    "Against",
    "Candidate",
    "Combined",
    "Course",
    "Decision",
    "Fit",
    "Influence",
    "Interaction",
    "Interval",
    "Kendall",
    "LeaveOneOut",
    "MIRStatus",
    "Pearson",
    "Pooled",
    "Prediction",
    "RankingAccuracy",
    "Regression",
    "Regret",
    "ScoreNoise",
    "Slope",
    "Spearman",
    "WithinGroups",
]
