"""Whether a predictor tells which of two recipes will score higher: MIR first, then what could stand in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mir_task.metrics import Better
from mir_task.report.checkpoint import Checkpoint
from mir_task.report.columns import BASELINES, PROGRESS
from mir_task.report.combined import tested
from mir_task.report.decision.power import ALPHA, POWER, least_p, power
from mir_task.report.holm import holm
from mir_task.report.schema import Combined, MIRStatus

MIR = "mir"
Groups = Mapping[str, Sequence[Checkpoint]]


@dataclass(frozen=True)
class Telling:
    """What the fine-tuned recipes say of one predictor."""

    predictor: str
    better: Better
    status: MIRStatus
    found: Combined | None = None
    """Test of the predictor, turned so that lower is better; None where no pair differs in predictor and score."""
    least_p: float = 1.0
    """What a perfect order of these recipes would have had."""
    power: float = 0.0
    """Probability that these recipes show a predictor that puts 75% of pairs in order."""

    @property
    def name(self) -> str:
        """In words for a sentence."""
        return PROGRESS.get(self.predictor, self.predictor)

    @property
    def net(self) -> int:
        """Pairs in order less pairs reversed."""
        return 2 * self.found.correct - self.found.pairs if self.found else 0

    @property
    def may_tell(self) -> bool:
        """Whether it tells, or is not known not to: too few recipes, of which most pairs are in order."""
        few = self.status == "too few" and (self.found is None or self.found.concordance > 0.5)
        return self.tells or self.status == "not tested" or few

    @property
    def tells(self) -> bool:
        """Whether lower (or higher, where that is better) goes with higher scores, beyond chance."""
        return self.status == "tells"

    def value(self, checkpoint: Checkpoint) -> float | None:
        """The predictor of a checkpoint, turned so that lower is better."""
        raw = checkpoint.mir if self.predictor == MIR else checkpoint.extras.get(self.predictor)
        return raw if raw is None or self.better == "lower" else -raw


@dataclass(frozen=True)
class Judged:
    """MIR and the predictors beside it."""

    mir: Telling
    beside: list[Telling]
    """Baselines and training step, in the order of their columns."""
    ahead: frozenset[str] = frozenset()
    """The baselines that put more pairs in order than MIR does, beyond chance."""

    @property
    def instead(self) -> Telling | None:
        """The baseline that tells: the best one ahead of MIR, or the best one where MIR does not tell."""
        telling = [each for each in self.beside if each.tells and each.found]
        ahead = [each for each in telling if each.predictor in self.ahead]
        if self.mir.tells or ahead:
            telling = ahead
        # By pairs in order less pairs reversed: a share alone would favour one that is tied on most pairs.
        return max(telling, key=lambda each: each.net, default=None)

    @property
    def by(self) -> Telling | None:
        """What checkpoints without a score are chosen by; None where nothing is known to tell."""
        return self.instead or (self.mir if self.mir.may_tell else None)


def judge(groups: Groups, named: Mapping[str, Better], ahead: Mapping[str, float] | None = None) -> Judged:
    """Test MIR, then every baseline (Holm over them), on the recipes that are scored.

    Args:
        groups: checkpoints by group.
        named: baselines besides those known, and which end of each is better.
        ahead: by baseline, the one-sided p of its putting more pairs in order than MIR, where it was tested.
    """
    ahead = ahead or {}
    adjusted = zip(ahead, holm(list(ahead.values())), strict=True)
    leading = frozenset(name for name, p in adjusted if p < ALPHA)
    return Judged(telling(groups, MIR, "lower"), _beside(groups, named), leading)


def telling(groups: Groups, predictor: str, better: Better) -> Telling:
    """Test one predictor on the recipes that have it and a score."""
    plain = Telling(predictor, better, "not tested")
    turned = {
        group: [replace(c, mir=value) for c in members if (value := plain.value(c)) is not None]
        for group, members in groups.items()
    }
    outcome = tested(turned)
    if outcome is None:
        scored = [sum(c.average is not None for c in members) for members in turned.values()]
        few = any(scored) and max(scored) < 2
        return replace(plain, status="too few" if few else "not tested")
    found, chance = outcome
    able = power(chance)
    status: MIRStatus
    if found.p < ALPHA:
        status = "tells"
    elif found.p_reversed < ALPHA:
        status = "reversed"
    else:
        status = "does not tell" if able >= POWER else "too few"
    return Telling(predictor, better, status, found, least_p(chance), able)


def _beside(groups: Groups, named: Mapping[str, Better]) -> list[Telling]:
    columns = dict.fromkeys(name for members in groups.values() for c in members for name in c.extras)
    better: dict[str, Better] = {**BASELINES, **named}
    found = [telling(groups, name, better.get(name, "lower")) for name in columns if name not in PROGRESS]
    # Measures of training say the same: the first that varies is enough.
    progress = (telling(groups, name, named.get(name, "higher")) for name in PROGRESS if name in columns)
    found += [each for each in [next((each for each in progress if each.found), None)] if each]
    tested = [each for each in found if each.found]
    if not tested:
        return []
    corrected = holm([each.found.p for each in tested if each.found])
    return [
        replace(each, status="does not tell") if each.tells and p >= ALPHA else each
        for each, p in zip(tested, corrected, strict=True)
    ]
