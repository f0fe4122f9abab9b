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
from mir_task.result import MIRResult, Protocol

Numbers = dict[str, float | int | None]


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

    A family's ``mir`` and ``mir_reference`` are means over its members, each of which is listed too. Its ``mir_se`` is
    the mean of theirs: the members see the same pairs, so their errors go together, and the mean's own standard error
    can only be smaller.
    """
    shown = _means([part.result for part in parts if part.level is None])
    members = {part.variant: part.result.mir for part in parts if part.level is None}
    if len(members) > 1:
        shown |= {f"mir_{variant}": mir for variant, mir in members.items()}
        shown["mir_align_spread"] = max(members.values()) - min(members.values())
    levels = sorted({part.level for part in parts if part.level is not None})
    of_levels = {level: _means([part.result for part in parts if part.level == level]) for level in levels}
    for level, means in of_levels.items():
        shown[f"mir_similarity_{level}"] = means["mir"]
        shown[f"mir_se_similarity_{level}"] = means["mir_se"]
    if levels:
        values = [part["mir"] or 0.0 for part in of_levels.values()]
        shown["mir_similarity_spread"] = max(values) - min(values)
    return shown


def metric_names(levels: int) -> dict[str, bool | None]:
    """All that :func:`numbers` can add to a single measurement's numbers, and whether lower is better (False)."""
    # Eight as AlignGPT has; its own module would load transformers wherever tasks are listed.
    names: dict[str, bool | None] = {f"mir_align_level_{level}": False for level in range(8)}
    names["mir_align_spread"] = None
    for level in range(1, levels + 1):
        names |= {f"mir_similarity_{level}": False, f"mir_se_similarity_{level}": None}
    return names | ({"mir_similarity_spread": None} if levels else {})


def _means(results: Sequence[MIRResult]) -> Numbers:
    def mean(name: str) -> float | None:
        values = [getattr(result, name) for result in results]
        return None if None in values else values[0] if len(values) == 1 else fmean(values)

    return {
        "mir": mean("mir"),
        "mir_se": mean("standard_error"),
        "mir_reference": mean("mir_reference"),
        "mir_pairs": results[0].pairs,
        "vision_tokens_per_pair": mean("vision_tokens_per_pair"),
        "text_tokens_per_pair": mean("text_tokens_per_pair"),
    }
