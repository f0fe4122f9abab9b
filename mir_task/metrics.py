"""The numbers that people read: what each means, which way is better, how it is read from a result, where it shows.

lmms-eval's table, the training log and the report take them from here: a new number is a field or property of the
result and a row below. Needs neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from mir_task.result import CaptionPerplexity, LayerResult, MIRResult

Better = Literal["lower", "higher"]
Number = float | int | None
"""None: could not be estimated."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Metric(Generic[Result]):
    """One number of a result."""

    name: str
    meaning: str
    read: Callable[[Result], Number]
    better: Better | None = None
    """None: neither way is better."""
    logged: bool = False
    """Shown in the log of a training loop that MIR is measured in."""

    @property
    def higher_is_better(self) -> bool | None:
        """The direction as lmms-eval and torchmetrics write it."""
        return None if self.better is None else self.better == "higher"


@dataclass(frozen=True)
class MIRMetric(Metric[MIRResult]):
    """A number of all layers together: a row of lmms-eval's table, ``eval_{name}`` in the log.

    The report reads it from result files, from lmms-eval's (``{name},none``) and from columns of tables.
    """

    averaged: bool = True
    """A family of models has the mean over its members; False: the number is the same for all of them."""
    column: str | None = None
    """Heading in the report's leaderboard, which has columns for MIR, its standard error and the pairs in any case."""


@dataclass(frozen=True)
class Curve:
    """A figure of the report: a number over the layers, a line for each model."""

    title: str
    """Also the name of the figure's file, as a slug."""
    axis: str
    hairline: float | None = None
    """A value to compare the number with."""
    single: bool = True
    """Drawn of a single model too; False where the figure of that model's terms shows the same."""


@dataclass(frozen=True)
class LayerMetric(Metric[LayerResult]):
    """A number of each decoder layer: ``eval_mir_{name}_layer_01`` and so on in the log."""

    curve: Curve | None = None
    """Its figure in the report, with the meaning as caption."""


MIR_METRICS: tuple[MIRMetric, ...] = (
    MIRMetric(
        "mir",
        "log10 of the sum over layers of the distance between vision and text, as the paper defines it",
        read=lambda result: result.mir,
        better="lower",
        logged=True,
    ),
    MIRMetric(
        "mir_se",
        "standard error of MIR over pairs",
        read=lambda result: result.standard_error,
        logged=True,
    ),
    MIRMetric(
        "mir_per_layer",
        "MIR minus log10 of the number of decoder layers, so that depth alone does not raise it",
        read=lambda result: result.mir_per_layer,
        better="lower",
        column="MIR per layer",
    ),
    MIRMetric(
        "mir_reference",
        "what the authors' released script computes, to compare with published numbers",
        read=lambda result: result.mir_reference,
        better="lower",
        logged=True,
    ),
    MIRMetric(
        "mir_norm_matched",
        "MIR with each layer's vision rows scaled to the text's mean norm",
        read=lambda result: result.mir_norm_matched,
        better="lower",
        column="MIR, norms matched",
    ),
    MIRMetric(
        "norm_ratio",
        "median norm of vision rows over that of text rows, the geometric mean over layers",
        read=lambda result: result.norm_ratio,
        column="median norm ratio",
    ),
    MIRMetric(
        "image_share",
        "share of the vision rows' variance that lies between images, the median over layers (near zero, vision "
        "tokens say the same whatever the picture)",
        read=lambda result: result.image_share,
        column="image share",
    ),
    MIRMetric(
        "mir_pairs",
        "image-text pairs that were measured",
        read=lambda result: result.pairs,
        averaged=False,
    ),
    MIRMetric(
        "vision_tokens_per_pair",
        "mean number of vision tokens of a pair",
        read=lambda result: result.vision_tokens_per_pair,
    ),
    MIRMetric(
        "text_tokens_per_pair",
        "mean number of text tokens of a pair",
        read=lambda result: result.text_tokens_per_pair,
    ),
)

LAYER_METRICS: tuple[LayerMetric, ...] = (
    LayerMetric(
        "fid",
        "The distance of every layer; MIR is log10 of the sum of a curve.",
        read=lambda layer: layer.fid,
        better="lower",
        logged=True,
        curve=Curve("Distance", axis="distance (mean text norm, squared)", single=False),
    ),
    LayerMetric(
        "mean_norm_ratio",
        "Above one, vision rows are longer than text rows; the scale of eq. 2 keeps this ratio.",
        read=lambda layer: layer.mean_norm_ratio,
        curve=Curve("Norm ratio", axis="mean vision norm / mean text norm", hairline=1.0),
    ),
    LayerMetric(
        "variance_ratio",
        "Far below one, vision rows are a narrow cloud beside text rows; outliers are removed.",
        read=lambda layer: layer.variance_ratio,
        curve=Curve("Variance ratio", axis="vision variance / text variance", hairline=1.0),
    ),
    LayerMetric(
        "image_share",
        "Near zero, vision rows are the same whatever the picture, and MIR says nothing about what the model sees.",
        read=lambda layer: layer.image_share,
        curve=Curve("Image share", axis="share of vision variance between images"),
    ),
)

CAPTION_METRICS: tuple[Metric[CaptionPerplexity], ...] = (
    Metric(
        "caption_ppl",
        "perplexity of captions given their images",
        read=lambda result: result.caption_ppl,
        better="lower",
    ),
    Metric(
        "caption_ppl_se",
        "standard error of caption_ppl over pairs",
        read=lambda result: result.standard_error,
    ),
    Metric(
        "caption_pairs",
        "image-caption pairs that were measured",
        read=lambda result: result.pairs,
    ),
    Metric(
        "caption_tokens_per_pair",
        "mean number of tokens of a caption",
        read=lambda result: result.tokens / result.pairs,
    ),
)


def values(metrics: Iterable[Metric[Result]], result: Result) -> dict[str, Number]:
    """Each metric's number, by name."""
    return {metric.name: metric.read(result) for metric in metrics}


def higher_is_better(metrics: Iterable[Metric[Result]]) -> dict[str, bool | None]:
    """Each metric's direction, by name."""
    return {metric.name: metric.higher_is_better for metric in metrics}
