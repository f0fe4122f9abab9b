"""The numbers of one layer."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pydantic import Field

from mir_task.result.file import Frozen


class LayerResult(Frozen):
    """One decoder layer. Distances are in units of the mean text norm, squared."""

    layer: int = Field(description="1-based; the last layer is taken after the final norm")
    fid: float = Field(description="Fréchet distance between vision and text rows, outliers removed")
    mean_term: float = Field(description="||mu_v - mu_t||^2")
    covariance_term: float = Field(description="tr(S_v) + tr(S_t) - 2 tr((S_v S_t)^(1/2))")
    standard_error: float | None = Field(
        default=None, description="standard error of fid over pairs; null if not estimated"
    )
    fid_bias_corrected: float | None = Field(
        default=None,
        description="fid extrapolated to infinitely many pairs, for information; may be negative",
    )
    noise_floor_vision: float | None = Field(
        default=None, description="distance between two halves of the vision rows; fid near it is noise"
    )
    noise_floor_text: float | None = Field(
        default=None, description="distance between two halves of the text rows; fid near it is noise"
    )
    fid_reference: float = Field(description="the released script's value: outliers replaced, root term lost")
    fid_reference_error: float = Field(
        default=0.0, description="sampling error of fid_reference; 0 where its medians are of all rows"
    )
    alpha: float = Field(description="text-centric scale (eq. 2): 1 / mean text norm, outlier rows included")
    alpha_inliers: float = Field(description="what alpha would be without the text outliers")
    vision_norm: float = Field(description="mean L2 norm of the vision rows, before scaling")
    text_norm: float = Field(description="mean L2 norm of the text rows, before scaling")
    vision_tokens: int = Field(description="vision rows, outliers included")
    text_tokens: int = Field(description="text rows, outliers included")
    vision_outliers: int = Field(description="vision rows that fid leaves out")
    text_outliers: int = Field(description="text rows that fid leaves out")
    passes: int = Field(
        default=1, description="2 where outliers were too many to hold back and the pairs were run again"
    )
    # What follows is null in files of 0.3 and before.
    fid_norm_matched: float | None = Field(
        default=None,
        description="fid if vision rows were scaled to the text's mean norm; null where they are all zero",
    )
    vision_variance: float | None = Field(
        default=None, description="trace of the covariance of vision rows, outliers removed, scaled as fid is"
    )
    text_variance: float | None = Field(
        default=None, description="trace of the covariance of text rows, outliers removed, scaled as fid is"
    )
    vision_norm_median: float | None = Field(
        default=None, description="median L2 norm of the vision rows, before scaling, outliers included"
    )
    text_norm_median: float | None = Field(
        default=None, description="median L2 norm of the text rows, before scaling, outliers included"
    )
    image_share: float | None = Field(
        default=None,
        description="share of the vision rows' variance that lies between images' mean rows, from 0 to 1, each image's "
        "own outliers removed; 0 where all rows are equal, null for bare features",
    )

    @property
    def mean_norm_ratio(self) -> float:
        """Mean norm of vision rows over that of text rows; NaN where all text rows are zero."""
        return self.vision_norm / self.text_norm if self.text_norm else math.nan

    @property
    def median_norm_ratio(self) -> float | None:
        """Median norm of vision rows over that of text rows; None where it is not known, or the latter is zero."""
        return _ratio(self.vision_norm_median, self.text_norm_median)

    @property
    def variance_ratio(self) -> float | None:
        """Variance of vision rows over that of text rows; None where it is not known, or the latter is zero."""
        return _ratio(self.vision_variance, self.text_variance)


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def known_of_all(numbers: Iterable[float | None]) -> list[float] | None:
    """The numbers; None where one of them is not known."""
    found = list(numbers)
    known = [number for number in found if number is not None]
    return known if len(known) == len(found) else None
