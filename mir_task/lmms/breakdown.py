"""One measurement or several: of each model of a family, of each level of image-text similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from mir_task.data import LEVEL_COLUMN, PairSet
from mir_task.errors import naming
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.run import measure_with
from mir_task.measurement.settings import MeasurementSettings
from mir_task.metrics import MIR_METRICS, MIRMetric, Number, higher_is_better
from mir_task.result import MIRResult, Protocol

Numbers = dict[str, Number]


@dataclass(frozen=True)
class Part:
    """One measurement of a task.

    ``variant`` names the model of a family (empty: there is one model), ``level`` the similarity of the pairs (None:
    all pairs).
    """

    variant: str
    level: int | None
    result: MIRResult

    @property
    def suffix(self) -> str:
        """What the name of its file ends in."""
        return _suffix(self.variant, self.level)


def measure_parts(
    model: Any,
    processors: Mapping[str, Any],
    pairs: PairSet,
    levels: Sequence[int] | None,
    protocol: Protocol,
    settings: MeasurementSettings,
    ranks: Ranks | None = None,
) -> list[Part]:
    """Measure every model of a family on all pairs and, where pairs are graded, on those of each level.

    Args:
        model: the model, of which a family's members are different uses.
        processors: by the member's name; one of an empty name if there is no family.
        pairs: as for :func:`mir_task.measure`.
        levels: the level of each pair; None: not graded.
        protocol: of all pairs.
        settings: of each measurement; its partial statistics go to a folder of its own.
        ranks: as for :func:`mir_task.measure`.
    """
    parts = []
    for variant, processor in processors.items():
        for level in [None, *sorted(set(levels or []))]:
            chosen = (
                range(len(pairs))
                if level is None
                else [i for i, own in enumerate(levels or []) if own == level]
            )
            own = protocol
            if level is not None and protocol.alignment is not None:
                alignment = protocol.alignment.model_copy(update={"level": level})
                own = protocol.model_copy(update={"alignment": alignment})
            folder = settings.resume and settings.resume / f"{own.task}{_suffix(variant, level)}"
            with nullcontext() if level is None else naming(f"{LEVEL_COLUMN} {level}"):
                result = measure_with(
                    replace(settings, resume=folder), model, processor, pairs.subset(chosen), own, ranks
                )
            if variant and result.model is not None:
                named = result.model.model_copy(update={"variant": variant})
                result = result.model_copy(update={"model": named})
            parts.append(Part(variant, level, result))
    return parts


def _suffix(variant: str, level: int | None) -> str:
    return (f"_{variant}" if variant else "") + (f"_similarity_{level}" if level else "")


def numbers(parts: Sequence[Part]) -> Numbers:
    """What lmms-eval's table shows of a task's measurements.

    A family's numbers are means over its variants, and the ``mir`` of each variant is listed too. The mean of the
    variants' ``mir_se`` is no standard error of the mean, but never below it: the variants see the same pairs, so their
    errors go together.
    """
    on_all_pairs = [part for part in parts if part.level is None]
    shown = _means([part.result for part in on_all_pairs])
    if len(on_all_pairs) > 1:
        shown |= {f"mir_{part.variant}": part.result.mir for part in on_all_pairs}
        shown["mir_align_spread"] = _spread([part.result.mir for part in on_all_pairs])
    by_level: dict[int, list[MIRResult]] = {}
    for part in parts:
        if part.level is not None:
            by_level.setdefault(part.level, []).append(part.result)
    for level, results in sorted(by_level.items()):
        means = _means(results)
        shown |= {f"mir_similarity_{level}": means["mir"], f"mir_se_similarity_{level}": means["mir_se"]}
    if by_level:
        shown["mir_similarity_spread"] = _spread(
            [fmean(result.mir for result in results) for results in by_level.values()]
        )
    return shown


def metric_names(levels: int) -> dict[str, bool | None]:
    """Names that :func:`numbers` can add to those of a single measurement, each with whether higher is better.

    Args:
        levels: how many levels of similarity the pairs are graded into; 0: not graded.
    """
    direction = higher_is_better(MIR_METRICS)
    # Eight as AlignGPT has; its own module would load transformers wherever tasks are listed.
    names = {f"mir_align_level_{level}": direction["mir"] for level in range(8)}
    names["mir_align_spread"] = None
    for level in range(1, levels + 1):
        names[f"mir_similarity_{level}"] = direction["mir"]
        names[f"mir_se_similarity_{level}"] = direction["mir_se"]
    return names | ({"mir_similarity_spread": None} if levels else {})


def _means(results: Sequence[MIRResult]) -> Numbers:
    return {metric.name: _mean(metric, results) for metric in MIR_METRICS}


def _mean(metric: MIRMetric, results: Sequence[MIRResult]) -> Number:
    """The metric's mean over results; None where it could not be estimated for one of them."""
    read = [metric.read(result) for result in results]
    known = [number for number in read if number is not None]
    if len(known) < len(read):
        return None
    return fmean(known) if metric.averaged and len(known) > 1 else known[0]


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)
