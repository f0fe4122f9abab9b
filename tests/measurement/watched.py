"""Pairs that remember which were opened, and that end the process when one is; settings that make passes come about."""

from collections import Counter
from dataclasses import dataclass

from mir_task.accumulate.buffers import BufferSizes
from mir_task.measurement.plan import Plan
from mir_task.measurement.settings import MeasurementSettings, Saving

QUIET = MeasurementSettings(progress=False)
LITTLE_ROOM = BufferSizes(waiting_rows=8)
"""So few rows wait that outliers are missed: a second pass is needed."""
AFTER_EVERY_PAIR = Saving(every_seconds=0.0, share_of_time=float("inf"))


def not_apart(layers):
    """Groups of pairs are not kept apart: one more pass for the standard error."""
    return {"plan": Plan(layers=layers, scatters=2), "linearise_above": 0}


def numbers(result):
    """Everything of a result but how long it took."""
    return result.model_dump(exclude={"timings"})


class WatchedPairs:
    """Pairs of which one may be damaged; remembers which were opened."""

    def __init__(self, pairs, damaged=None):
        self.pairs, self.damaged, self.opened = pairs, damaged, []

    def __len__(self):
        return len(self.pairs)

    def __iter__(self):
        return (self[number] for number in range(len(self)))

    def __contains__(self, pair):
        return pair in self.pairs

    def __getitem__(self, number):
        self.opened.append(number)
        pair = self.pairs[number]
        return pair._replace(text=" ") if number == self.damaged else pair


@dataclass(frozen=True)
class Opening:
    """The moment when a pair is opened for the n-th time in a run."""

    pair: int
    time: int = 1


class EndingPairs(WatchedPairs):
    """Pairs that do something when one of them is opened."""

    def __init__(self, pairs, moment, act):
        super().__init__(pairs)
        self.moment, self.act = moment, act

    def __getitem__(self, number):
        if number == self.moment.pair and Counter(self.opened)[number] == self.moment.time - 1:
            self.act()
        return super().__getitem__(number)


class Killed(BaseException):
    """Ends the process as far as the package can tell: nothing can be saved any more."""


def killed_at(moment, pairs):
    """Pairs that kill the process at a moment."""

    def kill():
        raise Killed

    return EndingPairs(pairs, moment, kill)
