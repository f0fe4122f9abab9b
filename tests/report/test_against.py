"""MIR against baselines and training step."""

import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from mir_task.bench.worlds import checkpoint
from mir_task.report.against import against, against_one
from tests.report.test_numbers import averaged_of

RANDOM = np.random.default_rng(2)


def group(name, n, random=RANDOM, **columns):
    """Models of random MIR and score, with a loss and other columns."""
    numbers = random.normal(size=(n, 3))
    return [
        checkpoint(
            f"{name}/{i}",
            name,
            float(numbers[i, 0]),
            float(numbers[i, 1]),
            extras={"loss": float(numbers[i, 2])} | {key: values[i] for key, values in columns.items()},
        )
        for i in range(n)
    ]


def shares(groups, get):
    """Credits and pairs of each group, counted one by one; lower is better."""
    found = []
    for members in groups:
        pairs = [(a, b) for a, b in itertools.combinations(members, 2) if a.average != b.average]
        credit = sum(
            0.5 if get(a) == get(b) else float((get(a) < get(b)) == (a.average > b.average)) for a, b in pairs
        )
        found.append((credit, len(pairs)))
    return np.array(found)


def mir(c):
    return c.mir


def loss(c):
    return c.extras["loss"]


def test_shares_are_counted_pair_by_pair_within_groups():
    groups = {name: group(name, n) for name, n in (("a", 4), ("b", 6), ("c", 3))}
    found = against_one(groups, "loss", "lower")
    ours, theirs = shares(groups.values(), mir), shares(groups.values(), loss)
    assert found.pairs == ours[:, 1].sum() and (found.groups, found.recipes) == (3, 13)
    assert found.mir_share == pytest.approx(ours[:, 0].sum() / found.pairs)
    assert found.baseline_share == pytest.approx(theirs[:, 0].sum() / found.pairs)
    assert found.difference == pytest.approx(found.mir_share - found.baseline_share)
    assert found.interval is None and found.p is None


def test_a_tie_counts_as_a_coin_would_get():
    members = group("a", 6, step=[1, 1, 2, 2, 3, 3])
    found = against_one({"a": members}, "step", "higher")
    theirs = shares([members], lambda c: -c.extras["step"])
    assert found.baseline_share == pytest.approx(theirs[0, 0] / 15)


def test_interval_over_equal_groups_is_that_of_their_mean():
    groups = {str(i): group(str(i), 5) for i in range(6)}
    found = against_one(groups, "loss", "lower")
    each = (shares(groups.values(), mir) - shares(groups.values(), loss))[:, 0] / 10
    assert found.interval == pytest.approx(stats.t.interval(0.95, 5, each.mean(), stats.sem(each)))
    tested = stats.ttest_1samp(each, 0, alternative="greater").pvalue
    assert (found.p, found.p_baseline_better) == pytest.approx((tested, 1 - tested))


def test_interval_over_groups_of_several_sizes_is_by_their_weighted_mean():
    groups = {str(i): group(str(i), n) for i, n in enumerate((4, 6, 5, 4, 4, 5))}
    found = against_one(groups, "loss", "lower")
    ours, theirs = shares(groups.values(), mir), shares(groups.values(), loss)
    pairs = ours[:, 1]
    line = sm.WLS((ours - theirs)[:, 0] / pairs, np.ones(6), weights=pairs).fit(cov_type="HC2")
    width = stats.t.ppf(0.975, pairs.sum() ** 2 / (pairs**2).sum() - 1) * line.bse[0]
    assert found.interval == pytest.approx((line.params[0] - width, line.params[0] + width))


def test_p_of_one_group_is_by_leaving_out_each_recipe():
    members = group("a", 9)
    found = against_one({"a": members}, "loss", "lower")
    without = []
    for left_out in members:
        rest = [[c for c in members if c is not left_out]]
        without.append((shares(rest, mir) - shares(rest, loss))[0, 0] / math.comb(8, 2))
    error = math.sqrt(8 / 9 * np.square(np.array(without) - np.mean(without)).sum())
    assert found.p == pytest.approx(stats.norm.sf(found.difference / error))
    assert found.interval is None
    assert against_one({"a": members[:7]}, "loss", "lower").p is None


@pytest.mark.parametrize("sizes", [(4,) * 6, (12, 3, 3, 4, 4), (8, 8, 8)])
def test_no_interval_of_few_pairs_or_of_groups_worth_few(sizes):
    groups = {str(i): group(str(i), n) for i, n in enumerate(sizes)}
    found = against_one(groups, "loss", "lower")
    assert found.interval is None
    assert (found.p is None) == (sizes == (12, 3, 3, 4, 4))


def test_a_baseline_equal_to_mir_is_no_better_and_no_worse():
    groups = {
        str(i): [
            checkpoint(c.name, c.group, c.mir, c.average, extras={"loss": c.mir}) for c in group(str(i), 5)
        ]
        for i in range(5)
    }
    found = against_one(groups, "loss", "lower")
    assert found.difference == 0 and found.interval is None


def test_training_step_is_a_baseline_and_the_longest_trained_its_choice():
    members = [
        checkpoint(str(i), "a", 3 - i, 50 + i, extras={"samples": 10.0 * i, "epoch": i}) for i in range(5)
    ]
    (found,) = against(averaged_of(members), {})
    assert (found.predictor, found.better, found.baseline_share, found.mir_share) == (
        "samples",
        "higher",
        1,
        1,
    )


def test_groups_where_the_baseline_does_not_vary_are_left_out():
    groups = {"a": group("a", 4, step=[1, 1, 1, 1]), "b": group("b", 4, step=[1, 2, 3, 4])}
    found = against_one(groups, "step", "higher")
    assert (found.groups, found.recipes) == (1, 4)
    assert against_one({"a": groups["a"]}, "step", "higher") is None


@pytest.mark.usefixtures("undrawn")
def test_the_report_holds_mir_against_each_baseline(workshop, falling):
    rows = falling(8, loss=[2.0, 1.9, 2.1, 1.8, 1.7, 1.75, 1.6, 1.5], step=[1, 2, 3, 4, 5, 6, 7, 8])
    workshop.report(workshop.table(rows))
    found = {each.predictor: each for each in workshop.regression.against}
    assert set(found) == {"loss", "step"}
    assert found["step"].difference == 0
    assert found["loss"].mir_share == 1 and found["loss"].baseline_share == pytest.approx(25 / 28)
