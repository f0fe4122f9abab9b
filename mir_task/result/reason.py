"""A reason not to believe a number, as it stands in a result file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mir_task.result.file import Frozen

ReasonCode = Literal["image_share", "noise_floor", "norms", "outliers", "template"]


class Reason(Frozen):
    """Why a MIR should not be believed, or not be compared with others."""

    code: ReasonCode
    sentence: str = Field(description="the reason in words, its figures among them")
    figures: dict[str, float] = Field(default_factory=dict, description="numbers that the reason rests on")
