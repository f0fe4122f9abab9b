"""The simulations of the report's tests and intervals."""

import itertools

import numpy as np
import pytest

from mir_task.bench import inference
from mir_task.report import association


def test_one_recipe_of_all_groups_is_the_same_in_each():
    groups = inference.groups_of(np.random.default_rng(0), (4, 5), (0.0, 0.0), shared=True)
    first, second = (members[0] for members in groups.values())
    assert (first.name, first.mir, first.average) == (second.name, second.mir, second.average)
    assert len({c.name for members in groups.values() for c in members}) == 8


def test_drawn_models_are_as_correlated_as_asked():
    (members,) = inference.groups_of(np.random.default_rng(0), (5000,), (-0.6,)).values()
    r = np.corrcoef([c.mir for c in members], [c.average for c in members])[0, 1]
    assert r == pytest.approx(-0.6, abs=0.03)


def test_an_interval_too_narrow_is_seen(monkeypatch):
    def coverage():
        return {
            record["n"]: record["share"]
            for record in itertools.islice(inference.run(150), 21)  # the later ones take long
            if (record["what"], record["world"]) == ("Pearson", "correlation 0")
        }

    assert min(coverage().values()) > 0.9
    monkeypatch.setattr(association, "CONFIDENCE", 0.5)
    assert max(coverage().values()) < 0.75
