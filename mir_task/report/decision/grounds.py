"""What the decision rests on, a sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from mir_task.report.decision.answer import Answer
from mir_task.report.decision.best import SURE
from mir_task.report.decision.power import POWER, SHARE, least_recipes, recipes_needed
from mir_task.report.decision.telling import MIR, Judged
from mir_task.report.schema import Against
from mir_task.report.text import count, join, number, percent, percent_interval, probability, sentence


def grounds(choices: Sequence[Answer], judged: Judged, against: Sequence[Against]) -> list[str]:
    """Sentences: the test of MIR, what tells in its place, where probabilities come from."""
    return [*_test(judged), *_instead(judged, against), *_chances(choices)]


def _test(judged: Judged) -> list[str]:
    mir, needed = judged.mir, recipes_needed()
    wanted = (
        f"{needed} fine-tuned recipes of one group would show with a probability of {percent(POWER)} an order in which "
        f"MIR puts {percent(SHARE)} of pairs right"
    )
    if mir.found is None:
        return [
            f"Whether MIR's order is that of scores after SFT is not tested: fine-tune and score at least "
            f"{least_recipes()} checkpoints of a group; {wanted}."
        ]
    if mir.tells:
        spread = f", 95% interval {percent_interval(mir.found.interval)}" if mir.found.interval else ""
        return [
            f"That MIR tells rests on {count(mir.found.recipes, 'recipe')} with scores in "
            f"{count(mir.found.groups, 'group')} ({percent(mir.found.concordance)} of pairs in order{spread}); it "
            "holds for checkpoints like these."
        ]
    if mir.power >= POWER:
        return [
            f"More recipes would hardly change that: if MIR put {percent(SHARE)} of pairs in order, these "
            f"{mir.found.recipes} would have shown it with a probability of {probability(mir.power)}."
        ]
    return [
        f"If MIR put {percent(SHARE)} of pairs in order, these {mir.found.recipes} recipes would have shown it with a "
        f"probability of only {probability(mir.power)}; {needed} of one group would with {percent(POWER)}."
    ]


def _instead(judged: Judged, against: Sequence[Against]) -> list[str]:
    if judged.instead is None or judged.instead.found is None:
        return []
    name = judged.instead.predictor
    found = judged.instead.found
    known = next((each for each in against if each.predictor == name), None)
    apart = ""
    if known is not None:
        apart = f", {number(-100 * known.difference, 0)} points more than MIR"
        if known.interval is not None:
            low, high = known.interval
            apart += f" (95% interval {number(-100 * high, 0)} to {number(-100 * low, 0)})"
    return [
        f"{sentence(judged.instead.name)} puts {percent(found.concordance)} of {count(found.pairs, 'pair')} in order"
        f"{apart}; {count(len(judged.beside), 'measure was', 'measures were')} tried (Holm's correction)."
    ]


def _chances(choices: Sequence[Answer]) -> list[str]:
    found = []
    order = [each for each in choices if each.basis == "order" and each.by == MIR]
    barring = {training.trajectory.label: training for each in choices for training in each.barring}
    if barring:
        left_out = sum(len(training.not_to_choose) for training in barring.values())
        found.append(
            f"{sentence(count(left_out, 'checkpoint'))} of {join(list(barring))} cannot be chosen by MIR: it first "
            "rises in a training, and up to the turn the least trained checkpoint has the lowest."
        )
    blind = list(dict.fromkeys(c.label for each in choices for c in each.blind))
    if blind:
        found.append(f"Left out of the choice by MIR, since their pictures hardly differ: {join(blind)}.")
    if any(each.p is not None for each in order):
        found.append(
            "P is the probability that MIR is truly the lowest, by its standard errors over pairs (draws of a fixed "
            "seed), not that the checkpoint is best after SFT; what choosing it may cost in points is not known."
        )
    if any(each.p is None for each in order):
        found.append(
            "MIR has no standard error for every checkpoint, so how sure its order is cannot be said."
        )
    if any(each.basis == "prediction" for each in choices):
        found.append(
            "Checkpoints without a score are predicted from the scored ones of their group; P(best) and expected loss "
            "are of joint draws of what is not known (fixed seed, to half a point)."
        )
    scored = [each for each in choices if each.basis == "scores"]
    if any(each.p is None for each in scored):
        found.append("The scores have no standard errors, so how sure the best one is cannot be said.")
    if any(len(each.chosen) > 1 and each.p is not None for each in choices):
        found.append(
            f"A set is the choice of least expected loss and the fewest others with which P reaches {percent(SURE)}."
        )
    return found
