"""One answer across groups: does lower MIR go with higher scores within them, all groups together?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mir_task.report import choice
from mir_task.report.checkpoint import Checkpoint
from mir_task.report.concordance import Chance, by_chance, share_interval, together
from mir_task.report.schema import Combined


def combined(groups: Mapping[str, Sequence[Checkpoint]]) -> Combined | None:
    """Test within groups, and the share of pairs of recipes in order; None where no pair differs in MIR and score.

    A recipe is a model: its runs are averaged already. One that is in several groups is counted in the first of them,
    since groups that share it are not independent.
    """
    found = tested(groups)
    return found[0] if found else None


def tested(groups: Mapping[str, Sequence[Checkpoint]]) -> tuple[Combined, Chance] | None:
    """The same, with the distribution by chance that it was compared with."""
    counted = {group: members for group, members in each_once(groups).items() if len(members) > 1}
    numbers = [
        (np.array([c.mir for c in members]), np.array([c.average for c in members], dtype=np.float64))
        for members in counted.values()
    ]
    orders = [choice.ranking_accuracy(x, y, "lower") for x, y in numbers]
    correct, pairs = [order.correct for order in orders], [order.pairs for order in orders]
    if not sum(pairs):
        return None
    chance = together([by_chance(x, y) for x, y in numbers])
    difference = 2 * sum(correct) - sum(pairs)
    found = Combined(
        p=chance.at_least(difference),
        p_reversed=chance.at_most(difference),
        p_method="exact permutation" if chance.exact else "approximation",
        concordance=sum(correct) / sum(pairs),
        interval=share_interval(correct, pairs, chance),
        correct=sum(correct),
        pairs=sum(pairs),
        groups=len(counted),
        recipes=sum(map(len, counted.values())),
        counted_elsewhere=sum(c.average is not None for members in groups.values() for c in members)
        - sum(map(len, each_once(groups).values())),
    )
    return found, chance


def each_once(groups: Mapping[str, Sequence[Checkpoint]]) -> dict[str, list[Checkpoint]]:
    """The scored recipes of each group, without those of an earlier group."""
    seen: set[str] = set()
    found = {}
    for group, members in groups.items():
        found[group] = [c for c in members if c.average is not None and c.name not in seen]
        seen |= {c.name for c in found[group]}
    return found
