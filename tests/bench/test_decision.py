"""The simulation of the report's decision in planted worlds."""

import itertools

import numpy as np
import pytest

from mir_task.bench import decision
from mir_task.report.schema import Decision

TELLS, _, LOSS, NEITHER = decision.WORLDS


@pytest.mark.parametrize("world", [TELLS, LOSS, NEITHER])
def test_drawn_measures_are_as_correlated_with_the_score_as_asked(world):
    members = decision.draw(np.random.default_rng(0), 5000, world, "g")
    score = [c.average for c in members]
    found = [
        np.corrcoef(values, score)[0, 1]
        for values in (
            [c.mir for c in members],
            [c.extras["loss"] for c in members],
            [c.extras["step"] for c in members],
        )
    ]
    assert found == pytest.approx([world.mir, world.loss, 0.0], abs=0.04)


def test_a_record_counts_what_was_said_and_what_following_it_cost():
    record = next(decision.run(20, 1))
    said = [record[f"says_{name}"] for name in ("mir", "loss", "step", "neither")]
    assert sum(said) == pytest.approx(1) and record["right"] == said[0] > 0.5
    assert 0 <= record["loss_mir_always"] < record["loss_at_random"]


def test_a_decision_that_always_names_mir_is_seen_to_be_wrong(monkeypatch):
    def always(groups, *_):
        first = groups["new"][0]
        return Decision(sentence="", kind="one", mir="tells", recommended=[first.name], by="mir")

    monkeypatch.setattr(decision, "decide", always)
    records = list(itertools.islice(decision.run(20), len(decision.WORLDS) * len(decision.DESIGNS)))
    by_world = {record["world"]: record for record in records}
    assert by_world["MIR tells"]["right"] == 1 and by_world["neither tells"]["right"] == 0
    assert by_world["loss tells"]["loss_followed"] == by_world["loss tells"]["loss_mir_always"]
