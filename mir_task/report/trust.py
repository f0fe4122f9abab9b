"""Why the MIR of some models should not be believed or compared: what their measurements found, reason by reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, get_args

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.records import listing
from mir_task.report.text import join
from mir_task.result import MIRResult, Reason, ReasonCode

MOST_NAMES = 8
"""Models that a sentence names."""


class Kind(NamedTuple):
    """How a reason is said where there is no room for its figures."""

    tag: str
    """Beside a model's name."""
    of_several: str
    """Sentence of several models, whose names take the place of ``{}``."""


KINDS: dict[ReasonCode, Kind] = {
    "image_share": Kind(
        "pictures alike",
        "Pictures hardly differ in the vision tokens of {}. Models that see nothing look like this, and their MIR "
        "means nothing.",
    ),
    "noise_floor": Kind(
        "near noise", "The summed distance is within reach of noise in {}. Measure more pairs."
    ),
    "norms": Kind(
        "mostly norms",
        "MIR is mostly a ratio of norms in {}: most of the distance goes away when vision rows are scaled to the "
        "text's mean norm.",
    ),
    "outliers": Kind("text outliers", "A few text outliers set the scale of eq. 2 in {}."),
    "template": Kind(
        "no template",
        "No chat template was found for {}: pairs were shown as image, newline, text, which may not be how these "
        "models were trained.",
    ),
}


class Concerned(NamedTuple):
    """A model that a reason concerns."""

    model: str
    """Name of the checkpoint."""
    label: str
    sentence: str
    """The reason with this model's figures."""


@dataclass(frozen=True)
class Doubt:
    """One reason, and the models that it concerns, each once."""

    code: ReasonCode
    concerned: list[Concerned]

    @property
    def tag(self) -> str:
        """The reason in two words."""
        return KINDS[self.code].tag

    @property
    def sentence(self) -> str:
        """The reason and its models: with the figures of a single model, without those of several."""
        if len(self.concerned) == 1:
            return _line(self.concerned[0])
        names = [each.label for each in self.concerned]
        shown = join(names) if len(names) <= MOST_NAMES else listing(names, MOST_NAMES)
        return KINDS[self.code].of_several.format(shown)

    @property
    def lines(self) -> list[str]:
        """A sentence for each of several models, with its figures; none where they would all say the same."""
        alike = len({each.sentence for each in self.concerned}) == 1
        return [] if alike else [_line(each) for each in self.concerned]


def doubts(checkpoints: Iterable[Checkpoint]) -> list[Doubt]:
    """The reasons that result files carry, gravest first.

    Files of 0.3 and before, and tables, were not looked at: no reason found does not say that all is well.
    """
    by_name = {c.name: c for c in checkpoints}.values()
    found = []
    for code in get_args(ReasonCode):
        concerned = [
            Concerned(c.name, c.label, sentence)
            for c in by_name
            if (sentence := _sentence(c, code)) is not None
        ]
        if concerned:
            found.append(Doubt(code, concerned))
    return found


def means_nothing(checkpoint: Checkpoint) -> bool:
    """Whether a run found that vision tokens are the same whatever the picture: its MIR says nothing of integration."""
    return any(_reason(run.result, "image_share") for run in checkpoint.runs)


def _sentence(checkpoint: Checkpoint, code: ReasonCode) -> str | None:
    """What the first run with the reason says, and how many others have it; None where no run has it."""
    having = [reason for run in checkpoint.runs if (reason := _reason(run.result, code)) is not None]
    if not having:
        return None
    runs = len(checkpoint.runs)
    return having[0].sentence if runs == 1 else f"{having[0].sentence} (So in {len(having)} of {runs} runs.)"


def _reason(result: MIRResult | None, code: ReasonCode) -> Reason | None:
    return next((reason for reason in result.trust if reason.code == code), None) if result else None


def _line(each: Concerned) -> str:
    return f"{each.label}: {each.sentence}"
