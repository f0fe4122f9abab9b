"""The result of a measurement: one schema, JSON on disk. Needs neither torch nor transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1
MIN_PAIRS = 2
"""The fewest image-text pairs that a result may be made from."""


class _Frozen(BaseModel):
    # Identical modalities give log10(0) = -inf, which plain JSON has no number for: written as a string.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class LayerResult(_Frozen):
    """One decoder layer. Distances are in units of the mean text norm, squared."""

    layer: int = Field(description="1-based; the last layer is taken after the final norm")
    fid: float = Field(description="Fréchet distance between vision and text rows, outliers removed")
    mean_term: float = Field(description="||mu_v - mu_t||^2")
    covariance_term: float = Field(description="tr(S_v) + tr(S_t) - 2 tr((S_v S_t)^(1/2))")
    standard_error: float | None = Field(
        default=None, description="of fid, over pairs; null if not estimated"
    )
    fid_bias_corrected: float | None = Field(
        default=None,
        description="fid extrapolated to infinitely many pairs, for information; may be negative",
    )
    noise_floor_vision: float | None = Field(
        default=None, description="distance between two halves of the vision rows: fid near it is noise"
    )
    noise_floor_text: float | None = Field(default=None, description="likewise of the text rows")
    fid_reference: float = Field(description="the released script's value: outliers replaced, root term lost")
    fid_reference_error: float = Field(
        default=0.0, description="sampling error of fid_reference; 0 where its median was taken of all rows"
    )
    alpha: float = Field(description="text-centric scale (eq. 2): 1 / mean text norm, outlier rows included")
    alpha_inliers: float = Field(description="what alpha would be without the text outliers")
    vision_norm: float = Field(description="mean L2 norm of the vision rows, before scaling")
    text_norm: float = Field(description="mean L2 norm of the text rows, before scaling")
    vision_tokens: int = Field(description="vision rows, outliers included")
    text_tokens: int = Field(description="text rows, outliers included")
    vision_outliers: int
    text_outliers: int
    passes: int = Field(
        default=1, description="2 where outliers were too many to hold back and the pairs were run again"
    )


class Alignment(_Frozen):
    """How pairs were graded by the similarity of image and text."""

    clip: str = Field(description="the CLIP model whose cosine it is")
    edges: list[float] = Field(description="of the levels: quantiles of the similarity, one more than levels")
    similarity: dict[str, float] = Field(description="of every pair that was graded, by pair id")
    level: int | None = Field(default=None, description="that was measured, 1 the least similar; null: all")


class Protocol(_Frozen):
    """What makes two MIR numbers comparable: the data, how it was shown to the model, the settings."""

    task: str = Field(default="custom", description="lmms-eval task, or 'custom' for pairs given directly")
    task_version: str | None = None
    images: str | None = Field(default=None, description="where the images come from, with revision")
    texts: str | None = Field(default=None, description="where the texts come from, with revision")
    paired: bool = Field(default=False, description="texts belong to their images")
    seed: int | None = Field(default=None, description="of the choice of pairs")
    pair_ids: list[str] = Field(default_factory=list, description="of the pairs that were measured, in order")
    max_text_tokens: int | None = Field(default=None, description="texts are cut here, images never")
    template: Literal["chat_template", "plain", "user_turn"] | None = Field(
        default=None,
        description="the text as the assistant's turn of the model's own chat template; image, newline, text; or "
        "the text behind the image in the user's turn, as the model's own input pipeline builds it",
    )
    template_sha256: str | None = None
    alignment: Alignment | None = Field(default=None, description="null where pairs were not graded")
    orientation: Literal["exif"] | None = Field(
        default=None,
        description="images were turned as their EXIF says; null in files of 0.2 and before, which took them as stored",
    )


class ModelInfo(_Frozen):
    """The model that was measured."""

    name: str
    model_type: str
    adapter: str
    layers: int
    hidden_size: int
    dtype: str
    parameters: int
    cross_attention: bool = Field(
        default=False,
        description="decoder layers also attend to something outside their sequence, which MIR does not see",
    )
    variant: str | None = Field(
        default=None, description="which model, where one checkpoint is a family: AlignGPT's alignment level"
    )


class SkippedPair(_Frozen):
    """A pair that was to be measured and could not be."""

    number: int = Field(description="of the pair, from 0")
    reason: str


class MIRResult(_Frozen):
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
        default=None, description="of mir, by jackknife over groups of pairs; null where not estimated"
    )
    mir_bias_corrected: float | None = Field(
        default=None,
        description="mir extrapolated to infinitely many pairs, for information; never compare with mir",
    )
    pairs: int | None = Field(default=None, description="image-text pairs; null for bare features")
    groups: int | None = Field(default=None, description="of pairs, whose statistics were kept apart")
    batch_size: int | None = Field(default=None, description="pairs that shared a forward pass")
    skipped: list[SkippedPair] = Field(
        default_factory=list,
        description="pairs left out because on_error='skip' was asked for; not among 'pairs'",
    )
    layers: list[LayerResult]
    protocol: Protocol | None = None
    model: ModelInfo | None = None
    versions: dict[str, str] = Field(default_factory=dict, description="of the software used")
    timings: dict[str, float] = Field(default_factory=dict, description="seconds a phase took")

    @property
    def vision_tokens_per_pair(self) -> float | None:
        """Mean number of vision tokens of a pair; None for bare features."""
        return self.layers[0].vision_tokens / self.pairs if self.pairs else None

    @property
    def text_tokens_per_pair(self) -> float | None:
        """Mean number of text tokens of a pair; None for bare features."""
        return self.layers[0].text_tokens / self.pairs if self.pairs else None

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, making the folder if needed, and return the path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: str | Path) -> MIRResult:
        """Read a result that :meth:`save` wrote.

        Raises:
            pydantic.ValidationError: the file is not such a result; the message names the field.
        """
        return cls.model_validate_json(Path(path).read_text(encoding="utf-8"))
