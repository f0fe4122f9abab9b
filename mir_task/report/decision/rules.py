"""Which checkpoint to fine-tune, and how sure that is: the rules.

1. Does MIR tell? The recipes that have MIR and a score are tested together, within groups (one-sided p below 0.05).
   Where p of the opposite order is below 0.05, the answer is not to choose by MIR. Where neither is, MIR "does not
   tell" if the test would have shown an order of 75% of pairs with 80% power; with fewer recipes it is "too few to
   tell". Thirteen in one group have that power, and four are the fewest that can pass at all.
2. What would tell instead? Each baseline and the training step are tested alike, with Holm's correction over them. One
   of them is named where MIR does not tell, or where it puts more pairs in order than MIR does, beyond chance.
3. What is recommended in a group?

   - All have scores: the best score, by draws of the scores' errors. MIR has no part in it; the sentence says what
     choosing by MIR would have found.
   - Five or more have scores, others none: the highest expected score, measured or predicted. The prediction is by the
     group's line on MIR if MIR tells, on the baseline named under 2, or by the mean of the scored ones if nothing does.
   - Fewer have scores: the best by the baseline named under 2; if there is none, the lowest MIR, unless MIR does not
     tell, or too few are scored to tell and no more than half of their pairs are in order; then nothing. Checkpoints of
     a training whose MIR still rises are left out of MIR's order, and so are those up to the turn after which it falls:
     the lowest MIR among them is a sign of little training. If none is left, nothing is recommended in the group.
4. How sure? Where the draws allow it, the checkpoint of least expected loss is recommended, together with the fewest
   others with which the best is among them with a probability of 95%: ``one`` or a ``set``. Chosen by MIR's order
   alone, that is the probability that its MIR is truly the lowest, which is not that it scores best. Without standard
   errors no probability is given, and checkpoints that are equal exactly are recommended together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mir_task.metrics import Better
from mir_task.report.checkpoint import Checkpoint
from mir_task.report.decision.answer import Answer, answer
from mir_task.report.decision.grounds import grounds
from mir_task.report.decision.power import recipes_needed
from mir_task.report.decision.telling import MIR, judge
from mir_task.report.decision.training import less_trained
from mir_task.report.decision.words import headline
from mir_task.report.schema import Against, Decision
from mir_task.report.trainings import Training


def decide(
    groups: Mapping[str, Sequence[Checkpoint]],
    named: Mapping[str, Better] | None = None,
    against: Sequence[Against] = (),
    trainings: Sequence[Training] = (),
) -> Decision:
    """Choose in each group, by the rules above.

    Args:
        groups: checkpoints with averages, by group, lowest MIR first.
        named: baselines besides those known, and which end of each is better.
        against: MIR against each baseline, where it was compared.
        trainings: MIR over the steps of each training, which may bar checkpoints from MIR's order.
    """
    ahead = {each.predictor: p for each in against if (p := each.p_baseline_better) is not None}
    judged = judge(groups, named or {}, ahead)
    answers = [answer(group, members, judged, trainings) for group, members in groups.items()]
    made = _made(answers)
    told = [each for each in made if each.chosen]
    by_order = [each for each in told if each.basis == "order"]
    instead = judged.instead
    return Decision(
        sentence=headline(answers, judged),
        kind="not told" if not told else "one" if all(len(each.chosen) == 1 for each in told) else "set",
        mir=judged.mir.status,
        recommended=list(dict.fromkeys(c.name for each in told for c in each.chosen)),
        choices={each.group: [c.name for c in each.chosen] for each in told},
        by=_by(told),
        p_best=None if by_order else _least([each.p for each in told]),
        p_lowest_mir=_least([each.p for each in by_order]) if len(by_order) == len(told) else None,
        expected_loss=_mean([each.loss for each in told]),
        rests_on=[
            *grounds(made, judged, against),
            *(less_trained(groups) if judged.mir.status in ("does not tell", "reversed") else []),
        ],
        instead=instead.predictor if instead else None,
        recipes_needed=None if judged.mir.tells else recipes_needed(),
        candidates=[candidate for each in answers for candidate in each.candidates],
    )


def _made(answers: Sequence[Answer]) -> list[Answer]:
    """The choices that the decision is about: those still open, or all where none is."""
    choices = [each for each in answers if len(each.members) > 1]
    return [each for each in choices if each.is_open] or choices


def _by(told: Sequence[Answer]) -> str | None:
    by = list(dict.fromkeys(each.by for each in told if each.by))
    return by[0] if len(by) == 1 else MIR if MIR in by else by[0] if by else None


def _least(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return min(known) if known and len(known) == len(values) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None
