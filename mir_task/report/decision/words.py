"""The decision in one sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.decision.answer import SCORES, Answer
from mir_task.report.decision.power import ALPHA, least_recipes, recipes_needed
from mir_task.report.decision.telling import MIR, Judged, Telling
from mir_task.report.text import count, number, p_exactly, percent, probability, sentence, short

MOST_GROUPS = 4
"""Groups whose choice one sentence can name."""
MOST_NAMES = 4


def headline(answers: Sequence[Answer], judged: Judged) -> str:
    """Which checkpoint, how sure; or that MIR does not tell, and what would."""
    choices = [each for each in answers if len(each.members) > 1]
    if not choices:
        return _nothing_to_choose(answers)
    open_choices = [each for each in choices if each.is_open]
    if not any(c.average is not None for each in answers for c in each.members):
        text = f"{_choice(choices, judged)}; no score has tested here whether lower MIR is better after SFT"
    elif open_choices:
        text = f"{status(judged)}: {_choice(open_choices, judged)}"
    else:
        text = f"{status(judged)}: {_looking_back(choices)}"
    return " ".join(f"{sentence(text)}.".split())


def _nothing_to_choose(answers: Sequence[Answer]) -> str:
    if len(answers) > 1:
        return f"One model in each of {count(len(answers), 'group')}: there is nothing to choose within them."
    ((only,),) = [each.members for each in answers]
    error = f" ± {number(only.standard_error)}" if only.standard_error is not None else ""
    return f"One model, so there is nothing to choose: the MIR of {only.label} is {number(only.mir)}{error}."


def status(judged: Judged) -> str:
    """Whether MIR tells, and what does in its place."""
    mir = judged.mir
    if mir.found is None:
        return "whether MIR tells was not tested, since too few scores or none that differ were given"
    order = f"{percent(mir.found.concordance)} of {count(mir.found.pairs, 'pair')} in order"
    if mir.status == "tells":
        more = f", and {judged.instead.name} tells more ({_share(judged.instead)})" if judged.instead else ""
        return f"MIR tells here ({order}, {p_exactly(mir.found.p)}){more}"
    if mir.status == "too few":
        text = f"too few models are scored to tell whether MIR does ({order}, {_short_of(mir)})"
    elif mir.status == "reversed":
        opposite = f"{p_exactly(mir.found.p_reversed)} of the opposite"
        text = f"do not choose by MIR here: higher MIR goes with higher scores ({order}, {opposite})"
    else:
        text = f"MIR does not tell here ({order}, {p_exactly(mir.found.p)})"
    if judged.instead:
        return f"{text}; {judged.instead.name} would ({_share(judged.instead)}, {_p(judged.instead)})"
    if judged.beside and mir.status != "too few":
        names = [each.name for each in judged.beside]
        nor = names[0] if len(names) == 1 else f"any of {_listing(names, 'and')}"
        return f"{text}, nor does {nor}"
    return text


def _short_of(mir: Telling) -> str:
    """What the test lacks: any chance of a small p, or the number that would show an order worth knowing."""
    if mir.least_p >= ALPHA:
        return (
            f"and p is at least {mir.least_p:.2f}; {count(least_recipes(), 'model')} of a group are the least"
        )
    assert mir.found
    return f"{p_exactly(mir.found.p)}; {recipes_needed()} of one group would do"


def _share(telling: Telling) -> str:
    return percent(telling.found.concordance if telling.found else None)


def _p(telling: Telling) -> str:
    return p_exactly(telling.found.p) if telling.found else ""


def _choice(choices: Sequence[Answer], judged: Judged) -> str:
    """What to choose, in one group or several."""
    told = [each for each in choices if each.chosen]
    if not told:
        barring = _barring(choices)
        return f"which checkpoint to choose is not known{f', since {barring}' if barring else ''}"
    if len(choices) == 1 and told[0].basis == "prediction":
        return _predicted(told[0], judged)
    if len(choices) == 1:
        return f"choose {_named(told[0])}{_why(told[0])}"
    by = " and ".join(dict.fromkeys(_by(each) for each in told))
    names = short([each.group for each in choices])
    if len(choices) > MOST_GROUPS:
        ones = sum(len(each.chosen) == 1 for each in told)
        where = f"each of {len(choices)}" if len(told) == len(choices) else f"{len(told)} of {len(choices)}"
        text = f"choose {by} in {where} groups, which is one checkpoint in {ones}"
        text += f" and several that cannot be told apart in {len(told) - ones}" if ones < len(told) else ""
    else:
        text = f"choose {', '.join(f'{_named(each)} in {names[each.group]}' for each in told)} ({by})"
    barred = [each for each in choices if not each.chosen and each.is_limited]
    if barred:
        where = count(len(barred), "group")
        if len(choices) <= MOST_GROUPS:
            where = _listing([names[each.group] for each in barred], "and")
        text += f"; in {where} it is not known, since {_barring(barred)}"
    rest = len(choices) - len(told) - len(barred)
    return text + (f"; nothing tells in {count(rest, 'group')}" if rest else "")


def _barring(choices: Sequence[Answer]) -> str:
    """Why MIR must not be compared by any checkpoint; nothing where it may, or is not what the choice is by."""
    trainings = {training.trajectory.label: training for each in choices for training in each.barring}
    rising = [label for label, training in trainings.items() if training.direction.kind == "rising"]
    turned = [label for label in trainings if label not in rising]
    clauses = [f"MIR of {_listing(rising, 'and')} is still rising"] if rising else []
    clauses += [f"nothing was measured after the turn of {_listing(turned, 'and')}"] if turned else []
    blind = list(dict.fromkeys(c.label for each in choices for c in each.blind))
    clauses += [f"pictures hardly differ in the vision tokens of {_listing(blind, 'and')}"] if blind else []
    return " and ".join(clauses)


def _named(each: Answer) -> str:
    """The recommended checkpoint, or those that cannot be told apart."""
    return _listing([c.label for c in each.chosen], "or")


def _listing(names: Sequence[str], word: str) -> str:
    if len(names) == 1:
        return names[0]
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[: MOST_NAMES - 1])} {word} one of {len(names) - MOST_NAMES + 1} more"
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def _by(each: Answer) -> str:
    if each.basis == "prediction":
        return "the best by prediction"
    if each.by == MIR:
        return "the lowest MIR that may be compared" if each.is_limited else "the lowest MIR"
    return "the best score" if each.by == SCORES else f"the best {each.by}"


def _predicted(each: Answer, judged: Judged) -> str:
    """The choice of least expected loss, what it rests on, and what else may be the best."""
    first, *others = each.chosen
    known = next(candidate for candidate in each.candidates if candidate.model == first.name)
    source = "scored already" if first.average is not None else f"predicted by {_source(each, judged)}"
    text = (
        f"choose {first.label}, {source} (P(best) {probability(known.p_best)}, expected loss {number(each.loss, 2)} "
        "points)"
    )
    if not others:
        return text
    rest = _listing([c.label for c in others], "or")
    return f"{text}; with P {probability(each.p)} the best is that or {rest}"


def _source(each: Answer, judged: Judged) -> str:
    if each.by == SCORES:
        return "the mean of the scored ones"
    return "MIR" if each.by == MIR or judged.instead is None else judged.instead.name


def _why(each: Answer) -> str:
    one = len(each.chosen) == 1
    if each.by != MIR:
        return f", which {'has' if one else 'have'} {_by(each)} (how sure is not known)"
    if each.p is None:
        unsure = "how sure is not known, since MIR has no standard errors"
        return f", which {'has' if one else 'share'} {_by(each)} ({unsure})"
    if one:
        return f", which has {_by(each)} (P {probability(each.p)} that it truly is)"
    lowest = _by(each).replace(" MIR", "", 1)
    return f", whose MIR cannot be told apart (P {probability(each.p)} that {lowest} is among them)"


def _looking_back(choices: Sequence[Answer]) -> str:
    """Where all have scores: what choosing the lowest MIR has found, and what is best."""
    lost = [_lost(each.members) for each in choices]
    found = sum(loss <= 1e-9 for loss in lost)
    mean = math.fsum(lost) / len(lost)
    if len(choices) > 1:
        every = "all" if found == len(lost) else f"{found} of"
        text = f"the lowest MIR was best after SFT in {every} {len(lost)} groups"
        return text + (f" and lost {number(mean, 2)} points on average" if mean > 1e-9 else "")
    (each,) = choices
    lowest = min(each.members, key=lambda c: c.mir)
    one, sure = len(each.chosen) == 1, f" (P {probability(each.p)})" if each.p is not None else ""
    if not found:
        best = f"{_named(each)} is best after SFT{sure}"
        return f"{best}, and {lowest.label}, the lowest MIR, lost {number(mean, 2)} points"
    if one:
        return f"{lowest.label}, the lowest MIR, is best after SFT{sure}"
    if each.p is None:
        return f"{lowest.label}, the lowest MIR, is one of {len(each.chosen)} that are best after SFT"
    return f"{lowest.label}, the lowest MIR, scored best, and with P {probability(each.p)} the best is {_named(each)}"


def _lost(members: Sequence[Checkpoint]) -> float:
    """Points that choosing the lowest MIR lost against the best score; the mean where several share it."""
    lowest = min(c.mir for c in members)
    chosen = [c.average or 0.0 for c in members if c.mir == lowest]
    return max(c.average or 0.0 for c in members) - math.fsum(chosen) / len(chosen)
