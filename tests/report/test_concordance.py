"""Concordance within groups: its chance distribution, its p-value and its interval."""

import itertools
from collections import Counter
from dataclasses import replace
from math import comb, factorial

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from mir_task.report import concordance
from mir_task.report.combined import combined
from mir_task.report.concordance import by_chance, share_interval, together
from tests.report.test_numbers import checkpoints

RANDOM = np.random.default_rng(11)
WITHOUT_TIES = (np.array([3.0, 1, 4, 1.5, 5]), np.array([2.0, 7, 1, 8, 2.8]))
TIES_IN_X = (np.array([1.0, 2, 2, 2, 3, 3]), np.array([5.0, 1, 4, 2, 3, 6]))
TIES_IN_Y = (np.array([5.0, 1, 4, 2, 3]), np.array([1.0, 1, 2, 2, 2]))
TIES_IN_BOTH = (np.array([1.0, 1, 2, 3, 3]), np.array([1.0, 2, 2, 3, 3]))


def difference(x, y):
    """Concordant minus discordant pairs, counted one by one."""
    return sum(
        int(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j])) for i, j in itertools.combinations(range(len(x)), 2)
    )


def all_orders(x, y):
    """How many of all orders of y give each difference."""
    return Counter(difference(x, order) for order in itertools.permutations(y))


@pytest.mark.parametrize("x, y", [WITHOUT_TIES, TIES_IN_X, TIES_IN_Y, TIES_IN_BOTH])
def test_chance_is_the_share_of_all_orders(x, y):
    found = by_chance(x, y)
    wanted = all_orders(x, y)
    assert found.exact
    assert dict(zip(found.values, found.probabilities * factorial(len(x)), strict=True)) == pytest.approx(
        {value: wanted[int(value)] for value in found.values}
    )


@pytest.mark.parametrize("n", [5, 12, 40])
def test_one_group_without_ties_is_scipys_exact_kendall_test(n):
    x = RANDOM.normal(size=n)
    y = x + 2 * RANDOM.normal(size=n)
    tested = stats.kendalltau(x, y, method="exact", alternative="greater")
    assert by_chance(x, y).at_least(difference(x, y)) == pytest.approx(tested.pvalue, rel=1e-9)


def test_groups_together_are_all_combinations_of_their_orders():
    first, second = all_orders(*TIES_IN_Y), all_orders(*TIES_IN_BOTH)
    summed = Counter()
    for (a, count), (b, other) in itertools.product(first.items(), second.items()):
        summed[a + b] += count * other
    found = together([by_chance(*TIES_IN_Y), by_chance(*TIES_IN_BOTH)])
    for least in range(-10, 11):
        share = sum(count for value, count in summed.items() if value >= least) / summed.total()
        assert found.at_least(least) == pytest.approx(share)


def test_many_models_with_ties_in_both_are_drawn_and_near_the_normal_law():
    x, y = RANDOM.integers(0, 5, 30).astype(float), RANDOM.integers(0, 5, 30).astype(float)
    found = by_chance(x, y)
    assert not found.exact
    tested = stats.kendalltau(x, y, method="asymptotic", alternative="greater")
    assert found.at_least(difference(x, y)) == pytest.approx(tested.pvalue, abs=0.02)


@pytest.mark.parametrize("levels", [1000, 7])
def test_of_more_than_a_hundred_models_the_normal_law_is_taken(levels):
    x, y = RANDOM.integers(0, levels, 130).astype(float), RANDOM.integers(0, levels, 130).astype(float)
    tested = stats.kendalltau(x, y, method="asymptotic", alternative="greater")
    assert by_chance(x, y).at_least(difference(x, y)) == pytest.approx(tested.pvalue, abs=2e-3)


def test_many_pairs_together_have_the_normal_law_of_the_groups_variance():
    group = by_chance(np.arange(90.0), np.arange(90.0))
    found = together([group] * 6)
    assert group.exact and not found.exact
    variance = 6 * 90 * 89 * (2 * 90 + 5) / 18
    assert found.at_least(1001) == pytest.approx(stats.norm.sf(1000.5, scale=variance**0.5), rel=1e-3)


def test_interval_of_pairs_all_in_order_is_that_of_throws_of_a_coin():
    # Forty groups of two models are forty throws of one coin.
    pair = by_chance(np.array([1.0, 2]), np.array([1.0, 2]))
    low, high = share_interval([1] * 40, [1] * 40, together([pair] * 40))
    assert high == 1
    assert low**40 / 2 == pytest.approx(0.025)
    assert share_interval([0] * 40, [1] * 40, together([pair] * 40)) == pytest.approx((0, 1 - low))


def test_interval_of_groups_all_alike_is_where_mid_p_is_a_fortieth():
    one = all_orders(range(4), range(4))
    low, high = share_interval([5] * 7, [6] * 7, together([by_chance(np.arange(4.0), np.arange(4.0))] * 7))

    def tail(share, sign):
        """Mid-p of seven groups whose orders have weight exp(tilt x difference), the tilt that gives this share."""

        def weighted(tilt):
            weights = {value: count * np.exp(tilt * value) for value, count in one.items()}
            return {value: weight / sum(weights.values()) for value, weight in weights.items()}

        def expected(tilt):
            return sum(value * weight for value, weight in weighted(tilt).items()) / 6

        below, above = -20.0, 20.0
        for _ in range(100):
            middle = (below + above) / 2
            below, above = (below, middle) if expected(middle) > 2 * share - 1 else (middle, above)
        total = Counter({0: 1.0})
        for _ in range(7):
            total, before = Counter(), total
            for (a, p), (b, q) in itertools.product(before.items(), weighted(below).items()):
                total[a + b] += p * q
        observed = 2 * 35 - 42
        return sum(p for value, p in total.items() if sign * (value - observed) > 0) + total[observed] / 2

    assert tail(low, +1) == pytest.approx(0.025, rel=1e-6)
    assert tail(high, -1) == pytest.approx(0.025, rel=1e-6)


@pytest.mark.parametrize(
    "correct, sizes", [([14, 3, 12, 6, 9], [6, 6, 6, 6, 6]), ([4, 15, 6, 5, 6], [4, 6, 5, 4, 4])]
)
def test_interval_is_students_over_groups_on_the_scale_of_the_arcsine_root(correct, sizes):
    pairs = np.array([comb(n, 2) for n in sizes])
    chance = together([by_chance(np.arange(float(n)), np.arange(float(n))) for n in sizes])
    line = sm.WLS(correct / pairs, np.ones(len(pairs)), weights=pairs).fit(cov_type="HC2")
    share, worth = line.params[0], pairs.sum() ** 2 / (pairs**2).sum()
    # The derivative of asin(sqrt(p)) is 1 / (2 sqrt(p (1 - p))).
    width = stats.t.ppf(0.975, worth - 1) * line.bse[0] / (2 * np.sqrt(share * (1 - share)))
    wanted = np.sin(np.arcsin(np.sqrt(share)) + np.array([-width, width])) ** 2
    assert share_interval(correct, pairs, chance) == pytest.approx(tuple(wanted))


def test_an_interval_ends_at_none_or_all_of_the_pairs():
    chance = together([by_chance(np.arange(6.0), np.arange(6.0))] * 5)
    low, high = share_interval([15, 0, 15, 1, 15], [15] * 5, chance)
    assert 0 < low < 0.1 and high == 1
    assert share_interval([0, 15, 0, 14, 0], [15] * 5, chance) == pytest.approx((0, 1 - low))


@pytest.mark.parametrize(
    "pairs, worth", [([10] * 6, 6), ([66, 3, 3, 6, 6], 84**2 / 4446), ([0, 15, 15], 2), ([0], 0)]
)
def test_groups_are_worth_as_many_of_equal_size_as_have_the_variance_of_their_mean(pairs, worth):
    assert concordance.worth(np.array(pairs, dtype=float)) == pytest.approx(worth)


@pytest.mark.parametrize(
    "correct, sizes",
    [
        ([15, 0, 14, 9], [6, 6, 6, 6]),  # four groups
        ([15, 0, 14, 9, 0], [6, 6, 6, 6, 1]),  # and a model alone
        ([50, 2, 3, 5, 4], [12, 3, 3, 4, 4]),  # one with most of the pairs
        ([5, 4, 6, 5, 6, 4], [4] * 6),  # 36 pairs
    ],
)
def test_no_interval_of_few_groups_or_few_pairs(correct, sizes):
    chance = together([by_chance(np.arange(float(n)), np.arange(float(n))) for n in sizes])
    assert share_interval(correct, [comb(n, 2) for n in sizes], chance) is None


def groups_of(*scores):
    """Groups of checkpoints whose MIR rises, with these scores; model names differ between groups."""
    found = {}
    for name, y in zip("abcdefgh", scores, strict=False):
        members = checkpoints(np.arange(1.0, len(y) + 1), y, name)
        found[name] = [replace(c, name=f"{name}/{c.name}") for c in members]
    return found


def test_perfect_orders_of_small_groups_are_together_more_than_chance():
    found = combined(groups_of([4.0, 3, 2, 1], [4.0, 3, 2, 1], [3.0, 2, 1]))
    assert found.p == pytest.approx(1 / (24 * 24 * 6))
    assert found.p_reversed == pytest.approx(1)
    assert (found.correct, found.pairs, found.groups, found.recipes) == (15, 15, 3, 11)
    assert found.concordance == 1 and found.interval is None


def test_reversed_orders_have_a_p_of_one():
    found = combined(groups_of([1.0, 2, 3, 4], [1.0, 2, 3]))
    assert (found.p, found.concordance) == pytest.approx((1, 0))
    assert found.p_reversed == pytest.approx(1 / (24 * 6))


def test_a_recipe_of_several_groups_is_counted_once():
    groups = groups_of([4.0, 3, 2, 1], [4.0, 3, 2, 1])
    groups["b"][0] = replace(groups["a"][0], group="b")
    found = combined(groups)
    assert (found.recipes, found.counted_elsewhere, found.pairs) == (7, 1, comb(4, 2) + comb(3, 2))
    assert found.p == pytest.approx(1 / (24 * 6))


def test_models_without_a_score_are_no_recipes():
    groups = groups_of([4.0, 3, 2], [2.0, 1, 3])
    groups["b"] = [replace(c, average=None) for c in groups["b"]]
    assert combined(groups).groups == 1
    assert combined({"b": groups["b"]}) is None
