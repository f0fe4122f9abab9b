"""The simulations of the report's tests and intervals."""

import itertools

import numpy as np
import pytest

from mir_task.bench import inference, intervals
from mir_task.bench.worlds import groups_of
from mir_task.report import association


def test_one_recipe_of_all_groups_is_the_same_in_each():
    groups = groups_of(np.random.default_rng(0), (4, 5), (0.0, 0.0), shared=True)
    first, second = (members[0] for members in groups.values())
    assert (first.name, first.mir, first.average) == (second.name, second.mir, second.average)
    assert len({c.name for members in groups.values() for c in members}) == 8


def test_drawn_models_are_as_correlated_as_asked():
    (members,) = groups_of(np.random.default_rng(0), (5000,), (-0.6,)).values()
    r = np.corrcoef([c.mir for c in members], [c.average for c in members])[0, 1]
    assert r == pytest.approx(-0.6, abs=0.03)


def test_an_interval_too_narrow_is_seen(monkeypatch):
    def coverage():
        return {
            record["n"]: record["share"]
            for record in itertools.islice(inference.run(0, 150), 22)  # the later ones take long
            if (record["what"], record["world"]) == ("Pearson", "correlation 0")
        }

    found = coverage()
    assert set(found) == {4, 6, 12, 24} and min(found.values()) > 0.9
    monkeypatch.setattr(association, "CONFIDENCE", 0.5)
    assert max(coverage().values()) < 0.75


@pytest.mark.parametrize(
    "what", ["line two spreads from the mean MIR", "steps of the turn", "share of pairs in order"]
)
def test_every_world_of_an_interval_has_one_or_none_in_all_draws(what):
    """Where the design leaves no interval the record has no share: it is neither dropped nor a coverage of zero."""
    printed = {}
    for about, covers in intervals.simulations():
        if about["what"] == what and about["world"].endswith(("correlation -0.6", "0.8 apart", "of pairs")):
            random = np.random.default_rng(1)
            hits = [covers(random) for _ in range(40)]
            made = [hit for hit in hits if hit is not None]
            printed[about["world"], about["n"]] = len(made) / len(hits)
            assert not made or np.mean(made) > 0.8
    none = {world for (world, _), share in printed.items() if share == 0}
    assert none == {
        world
        for world, _ in printed
        if world.startswith(("one large group", "four groups of eight", "six groups of four"))
    }
    assert all(share > 0.1 for (world, _), share in printed.items() if world not in none)


def test_a_claim_that_is_never_made_has_no_share(monkeypatch):
    never = [({"what": "a", "quantity": "coverage"}, lambda random: None)]
    monkeypatch.setattr(inference.intervals, "simulations", lambda: never)
    records = list(itertools.islice(inference.run(0, 5), 19))
    assert (records[-1]["drawn"], records[-1]["repeats"], records[-1]["share"]) == (5, 0, None)
