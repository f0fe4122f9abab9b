"""What a measurement found: its schema, JSON on disk. Needs neither torch nor transformers.

How each number is called and shown is in :mod:`mir_task.metrics`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field, model_validator

from mir_task.errors import MIRDataError

SCHEMA_VERSION = 1
MIN_PAIRS = 2
"""The fewest image-text pairs that a result may be made from."""


class _Frozen(BaseModel):
    # Identical modalities give log10(0) = -inf, which plain JSON has no number for: written as a string.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


Result = TypeVar("Result", bound="_ResultFile")


class _ResultFile(_Frozen):
    """A result that is a file of its own."""

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, making the folder if needed, and return the path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls: type[Result], path: str | Path) -> Result:
        """Read a result that :meth:`save` wrote.

        Raises:
            MIRDataError: the file cannot be read or holds no such result; the message names the file and the field.
        """
        try:
            return cls.model_validate_json(Path(path).read_text(encoding="utf-8"))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "the whole of it"
            raise MIRDataError(f"{path} is no result of {cls.__name__}: {field}: {first['msg']}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise MIRDataError(f"cannot read {path}: {error}") from error


class LayerResult(_Frozen):
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
        "own outliers removed; null for bare features",
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


ReasonCode = Literal["image_share", "noise_floor", "norms", "outliers", "template"]


class Reason(_Frozen):
    """Why a MIR should not be believed, or not be compared with others."""

    code: ReasonCode
    sentence: str = Field(description="the reason in words, its figures among them")
    figures: dict[str, float] = Field(default_factory=dict, description="numbers that the reason rests on")


class Grading(_Frozen):
    """How pairs were graded by the similarity of image and text."""

    clip: str = Field(description="CLIP model whose cosine the similarity is")
    edges: list[float] = Field(
        description="edges of the levels: quantiles of the similarity, one more than levels"
    )
    similarity: dict[str, float] = Field(description="similarity of every graded pair, by pair id")
    level: int | None = Field(
        default=None, description="level that was measured, 1 the least similar; null: all levels"
    )


class Protocol(_Frozen):
    """What makes two MIR numbers comparable: the data, how it was shown to the model, the settings."""

    task: str = Field(default="custom", description="lmms-eval task, or 'custom' for pairs given directly")
    task_version: str | None = None
    images: str | None = Field(default=None, description="where the images come from, with revision")
    texts: str | None = Field(default=None, description="where the texts come from, with revision")
    paired: bool = Field(default=False, description="texts belong to their images")
    seed: int | None = Field(default=None, description="seed by which the pairs were chosen")
    pair_ids: list[str] = Field(default_factory=list, description="the measured pairs, in order")
    max_text_tokens: int | None = Field(default=None, description="texts are cut here, images never")
    template: Literal["chat_template", "plain", "user_turn"] | None = Field(
        default=None,
        description="the text as the assistant's turn of the model's own chat template; image, newline, text; or "
        "the text behind the image in the user's turn, as the model's own input pipeline builds it",
    )
    template_sha256: str | None = None
    alignment: Grading | None = Field(
        default=None, description="how pairs were graded; null where they were not"
    )
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
        default=None,
        description="member of the family, where one checkpoint is several models: AlignGPT's align level",
    )


class SkippedPair(_Frozen):
    """A pair that was to be measured and could not be."""

    number: int = Field(description="place among the pairs, from 0")
    reason: str


class MIRResult(_ResultFile):
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
        ratios = _of_all(layer.median_norm_ratio for layer in self.layers)
        return None if ratios is None else math.prod(ratio ** (1 / len(ratios)) for ratio in ratios)

    @computed_field(  # type: ignore[prop-decorator]
        description="log10 of the sum of fid_norm_matched over layers; null if not known of a layer; lower is better"
    )
    @property
    def mir_norm_matched(self) -> float | None:
        """MIR without what the ratio of mean norms adds to it; -inf where nothing is left."""
        matched = _of_all(layer.fid_norm_matched for layer in self.layers)
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
        shares = _of_all(layer.image_share for layer in self.layers)
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


def _of_all(numbers: Iterable[float | None]) -> list[float] | None:
    """The numbers; None where one of them is not known."""
    found = list(numbers)
    known = [number for number in found if number is not None]
    return known if len(known) == len(found) else None


class CaptionPerplexity(_ResultFile):
    """exp of the mean negative log-likelihood of a caption's tokens given image and the tokens before. Lower is better.

    Comparable only between models of one tokenizer: a token of another vocabulary is another amount of text.
    """

    schema_version: int = 1
    caption_ppl: float = Field(description="perplexity over all tokens of all captions together")
    standard_error: float | None = Field(
        description="standard error of caption_ppl, by bootstrap over pairs; null where not finite"
    )
    pairs: int
    tokens: int = Field(description="caption tokens, of which each is predicted once")
    nll: list[float] = Field(
        description="summed negative log-likelihood of each caption, in nats, in the pairs' order"
    )
    model: str
    protocol: Protocol | None = None
