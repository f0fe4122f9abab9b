"""A MIR and all that it was computed from."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

from pydantic import Field, computed_field, model_validator

from mir_task.result.file import Frozen, ResultFile
from mir_task.result.layer import LayerResult, known_of_all
from mir_task.result.protocol import ModelInfo, Protocol
from mir_task.result.reason import Reason

SCHEMA_VERSION = 1
MIN_PAIRS = 2
"""The fewest image-text pairs that a result may be made from."""


class SkippedPair(Frozen):
    """A pair that was to be measured and could not be."""

    number: int = Field(description="place among the pairs, from 0")
    reason: str


class MIRResult(ResultFile):
    """A Modality Integration Rate and all it was computed from.

    Lower means better integrated. ``mir`` is the paper's definition; ``mir_reference`` is what the authors'
    released script computes by default, for comparison with published numbers. Never compare one with the
    other, nor numbers of different protocols.
    """

    schema_version: int = SCHEMA_VERSION
    mir: float = Field(description="log10 of the sum of fid over layers; lower is better")
    mir_reference: float | None = Field(
        description="log10 of the sum of fid_reference; null if that sum is not positive"
    )
    standard_error: float | None = Field(
        default=None,
        description="standard error of mir, by jackknife over groups of pairs; null if not estimated",
    )
    mir_left_out: list[float] | None = Field(
        default=None,
        description="mir without each group of pairs in turn, from which standard_error follows and that of a "
        "difference to another model on the same pairs; null if not estimated, and in files of 0.3 and before",
    )
    mir_bias_corrected: float | None = Field(
        default=None,
        description="mir extrapolated to infinitely many pairs, for information; never compare with mir",
    )
    pairs: int | None = Field(default=None, description="image-text pairs; null for bare features")
    groups: int | None = Field(default=None, description="groups of pairs whose statistics were kept apart")
    uncertainty: bool = Field(
        default=True, description="false: standard error, floors and bias were left out, as asked"
    )
    batch_size: int | None = Field(default=None, description="pairs that shared a forward pass")
    skipped: list[SkippedPair] = Field(
        default_factory=list,
        description="pairs left out because on_error='skip' was asked for; not among 'pairs'",
    )
    trust: list[Reason] = Field(
        default_factory=list,
        description="reasons not to believe or compare mir that were found; none found does not say that all is well, "
        "and files of 0.3 and before were not looked at",
    )
    layers: list[LayerResult] = Field(min_length=1)
    protocol: Protocol | None = None
    model: ModelInfo | None = None
    versions: dict[str, str] = Field(default_factory=dict, description="version of each library used")
    timings: dict[str, float] = Field(default_factory=dict, description="seconds a phase took")

    @computed_field(  # type: ignore[prop-decorator]  # mypy knows no decorated properties
        description="mir - log10(number of layers): log10 of the mean fid of a layer; lower is better"
    )
    @property
    def mir_per_layer(self) -> float:
        """MIR without the part that depth alone adds to it; -inf where ``mir`` is."""
        return self.mir - math.log10(len(self.layers))

    @computed_field(  # type: ignore[prop-decorator]
        description="median vision norm / median text norm, geometric mean over layers; null if not known of a layer"
    )
    @property
    def norm_ratio(self) -> float | None:
        """How many times as long as text rows vision rows are; None in files of 0.3 and before."""
        ratios = known_of_all(layer.median_norm_ratio for layer in self.layers)
        return None if ratios is None else math.prod(ratio ** (1 / len(ratios)) for ratio in ratios)

    @computed_field(  # type: ignore[prop-decorator]
        description="log10 of the sum of fid_norm_matched over layers; null if not known of a layer; lower is better"
    )
    @property
    def mir_norm_matched(self) -> float | None:
        """MIR without what the ratio of mean norms adds to it; -inf where nothing is left."""
        matched = known_of_all(layer.fid_norm_matched for layer in self.layers)
        if matched is None:
            return None
        total = math.fsum(matched)
        return math.log10(total) if total > 0 else -math.inf

    @computed_field(  # type: ignore[prop-decorator]
        description="median over layers of their image_share; null if not known of a layer"
    )
    @property
    def image_share(self) -> float | None:
        """Share of the vision rows' variance that lies between images; near zero, they say the same of any picture."""
        shares = known_of_all(layer.image_share for layer in self.layers)
        return None if shares is None else median(shares)

    @model_validator(mode="before")
    @classmethod
    def _without_derived_numbers(cls, value: Any) -> Any:
        # Computed anew when a file is read: older files lack it, and so it can't contradict mir and layers.
        if isinstance(value, dict):
            return {name: given for name, given in value.items() if name not in cls.model_computed_fields}
        return value

    @property
    def vision_tokens_per_pair(self) -> float | None:
        """Mean number of vision tokens of a pair; None for bare features."""
        return self.layers[0].vision_tokens / self.pairs if self.pairs else None

    @property
    def text_tokens_per_pair(self) -> float | None:
        """Mean number of text tokens of a pair; None for bare features."""
        return self.layers[0].text_tokens / self.pairs if self.pairs else None
