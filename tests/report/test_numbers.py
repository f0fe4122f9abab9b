"""Every number against an oracle from elsewhere."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from pandas import DataFrame
from scipy import stats

from mir_task.report import association, choice
from mir_task.report.averages import Averaged
from mir_task.report.checkpoint import Checkpoint, Comparison
from mir_task.report.interaction import _noise_around_one_slope, interaction
from mir_task.report.pool import pooled
from mir_task.report.regress import fit

RANDOM = np.random.default_rng(7)
X = np.array([3.1, 2.7, 3.4, 2.9, 3.0, 3.6])
Y = np.array([60.1, 63.0, 58.2, 61.5, 62.2, 58.2])


def checkpoints(x, y, group="g"):
    """Checkpoints of MIR x and average score y."""
    return [
        Checkpoint(
            name=f"{group}/m{i}",
            label=f"m{i}",
            group=group,
            mir=mir,
            standard_error=None,
            spread=None,
            pairs=100,
            runs=(),
            average=average,
            average_over=("A", "B"),
        )
        for i, (mir, average) in enumerate(zip(x, y, strict=True))
    ]


def share_of_orders_at_least_as_far(x, y):
    """Share of all orders of y whose Pearson's r with x is as far from zero, or farther: the exact p-value."""
    r = np.corrcoef(x, y)[0, 1]
    orders = [np.corrcoef(x, y[list(order)])[0, 1] for order in itertools.permutations(range(len(y)))]
    return sum(abs(other) >= abs(r) - 1e-12 for other in orders) / len(orders)


def test_exact_p_value_of_pearsons_r_counts_all_orders():
    found = association.pearson(X, Y)
    assert found.r == pytest.approx(np.corrcoef(X, Y)[0, 1])
    assert found.p == pytest.approx(share_of_orders_at_least_as_far(X, Y))


def test_exact_p_value_of_spearmans_rho_is_that_of_the_ranks():
    ranks = stats.rankdata(X), stats.rankdata(Y)
    assert association.spearman(X, Y).p == pytest.approx(share_of_orders_at_least_as_far(*ranks))


def test_exact_p_value_of_pearsons_r_takes_one_convention_where_the_two_tails_differ():
    # One model far from the others: no order is as far below zero as the best one is above.
    x, y = np.array([0.0, 1.0, 2.0, 9.0]), np.array([0.0, 1.0, 2.0, 9.0])
    assert association.pearson(x, y).p == pytest.approx(1 / 24)
    assert stats.pearsonr(x, y, method=stats.PermutationMethod(n_resamples=24)).pvalue == pytest.approx(
        2 / 24
    )


@pytest.mark.parametrize(
    ("n", "tied", "method", "scipys"),
    [
        (5, False, "exact permutation", "exact"),
        (9, False, "exact permutation", "exact"),
        (33, False, "exact permutation", "exact"),
        (34, False, "normal approximation", "asymptotic"),
        (8, True, "normal approximation", "asymptotic"),
    ],
)
def test_kendalls_p_value_is_by_the_method_that_it_names(n, tied, method, scipys):
    x = np.arange(float(n))
    y = np.random.default_rng(n).permutation(x)
    y[0] = y[1] if tied else y[0]
    found = association.kendall(x, y)
    assert found.p_method == method
    assert found.p == pytest.approx(stats.kendalltau(x, y, method=scipys).pvalue)


def test_kendalls_p_value_with_ties_counts_all_orders():
    x, y = np.array([1.0, 1.0, 2.0, 3.0, 4.0, 5.0]), np.array([1.0, 2.0, 2.0, 5.0, 3.0, 4.0])
    tau = stats.kendalltau(x, y).statistic
    others = [stats.kendalltau(x, order).statistic for order in itertools.permutations(y)]
    found = association.kendall(x, y)
    assert found.p_method == "exact permutation"
    assert found.p == pytest.approx(np.mean(np.abs(others) >= abs(tau) - 1e-12))


def test_fishers_interval():
    r = np.corrcoef(X, Y)[0, 1]
    ends = np.tanh(np.arctanh(r) + np.array([-1, 1]) * 1.959963984540054 / np.sqrt(3))
    assert association.pearson(X, Y).interval == pytest.approx(tuple(ends))


def test_slope_and_its_interval():
    line = np.polyfit(X, Y, 1)
    residual = Y - np.polyval(line, X)
    error = np.sqrt((residual**2).sum() / 4 / ((X - X.mean()) ** 2).sum())
    found = association.slope(X, Y)
    assert found.estimate == pytest.approx(line[0])
    assert found.interval == pytest.approx(
        (line[0] - 2.7764451 * error, line[0] + 2.7764451 * error), rel=1e-6
    )
    slopes = [(Y[j] - Y[i]) / (X[j] - X[i]) for i, j in itertools.combinations(range(6), 2)]
    assert found.theil_sen == pytest.approx(np.median(slopes))


def test_left_out_errors_are_those_of_fitting_again():
    errors, plain = [], []
    for i in range(6):
        rest = np.arange(6) != i
        errors.append(Y[i] - np.polyval(np.polyfit(X[rest], Y[rest], 1), X[i]))
        plain.append(Y[i] - Y[rest].mean())
    found = association.leave_one_out(X, Y)
    assert found.rmse == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    assert found.rmse_of_mean == pytest.approx(np.sqrt(np.mean(np.square(plain))))


def test_no_left_out_error_where_one_model_makes_the_line():
    assert association.leave_one_out(np.array([1.0, 1, 1, 2]), np.array([1.0, 2, 3, 4])) is None


def test_theil_sen_is_the_median_slope():
    found = association.slope(X, Y)
    slopes = [(Y[j] - Y[i]) / (X[j] - X[i]) for i, j in itertools.combinations(range(len(X)), 2)]
    assert found.theil_sen == pytest.approx(np.median(slopes))


def test_the_pool_claims_no_interval_of_models_that_are_alike():
    found = pooled(two_groups(shift=30))
    assert found.pearson.interval is found.pearson.p is found.spearman.p is found.kendall.p is None
    assert found.slope.interval is None and found.within.interval is not None


def test_few_models_claim_little():
    two, three, four = (fit(checkpoints(X[:n], Y[:n]), "g") for n in (2, 3, 4))
    assert two.pearson is None and two.regret is not None
    assert "2 models: too few for a correlation" in two.notes
    assert three.pearson.interval is None and three.slope.interval is None and three.loo is None
    assert "3 models: no interval is claimed" in three.notes
    assert four.pearson.interval is not None and four.slope.interval is not None


# m1 has the lowest MIR, m0 the best score; m2 and m3 are alike.
MIR, SCORES = np.array([3.0, 2.0, 4.0, 4.0]), np.array([70.0, 65.0, 60.0, 60.0])


def test_ranking_accuracy_counts_pairs_in_the_order_of_their_scores():
    found = choice.ranking_accuracy(MIR, SCORES, "lower")
    assert (found.correct, found.pairs, found.tied) == (4, 5, 1)
    assert choice.ranking_accuracy(MIR, SCORES, "higher").correct == 1


def test_pairs_that_tie_in_the_leaderboard_are_counted_apart():
    alike = [
        replace(c, tied_with=frozenset({"g/m0", "g/m1"}) - {c.name}) for c in checkpoints(MIR, SCORES)[:2]
    ]
    members = [*alike, *checkpoints(MIR, SCORES)[2:]]
    assert fit(members, "g").ranking_accuracy.within_error == 1
    assert fit(checkpoints(MIR, SCORES), "g").ranking_accuracy.within_error == 0


def test_regret_is_the_score_lost_by_choosing_the_lowest_mir():
    lost = choice.regret(MIR, SCORES, "lower", ["m0", "m1", "m2", "m3"])
    assert (lost.lost, lost.chosen, lost.best) == (5.0, ["m1"], ["m0"])
    assert lost.by_chance == pytest.approx(70 - 63.75)


def two_groups(shift):
    """A group whose scores fall with MIR, and the same one with MIR 5 higher and scores ``shift`` higher."""
    x, y = np.array([1.0, 1.3, 1.9, 2.2]), np.array([10.0, 9.1, 7.9, 7.4])
    return averaged_of(checkpoints(x, y, "a"), checkpoints(x + 5, y + shift, "b"))


def averaged_of(*groups):
    """Groups of checkpoints with averages over the same benchmarks."""
    names = [members[0].group for members in groups]
    return Averaged(
        Comparison([c for members in groups for c in members], notes=[]),
        over=dict.fromkeys(names, ("A", "B")),
        stated=dict.fromkeys(names, True),
        scales={},
        notes=[],
    )


def test_simpsons_paradox_is_noticed():
    found = pooled(two_groups(shift=30))
    assert found.slope.estimate > 0 > found.within.interval[1]
    assert found.disagreement == "sign"
    assert found.ranking_accuracy_within.value == 1.0
    assert pooled(two_groups(shift=-10)).disagreement is None


def test_signs_that_differ_by_chance_are_no_paradox():
    x, y = np.array([1.0, 1.3, 1.9, 2.2]), np.array([10.0, 7.4, 9.1, 7.9])
    found = pooled(averaged_of(checkpoints(x, y, "a"), checkpoints(x + 2, y + 2, "b")))
    assert found.slope.estimate > 0 > found.within.slope
    assert found.disagreement is None


def test_interaction_is_the_gain_of_a_line_for_each_group():
    x, y = np.array([1.0, 1.3, 1.9, 2.2]), np.array([10.0, 9.1, 7.9, 7.4])
    steeper = 4 * y + np.array([0.2, -0.1, 0.1, -0.2])
    found = pooled(averaged_of(checkpoints(x, y, "a"), checkpoints(x + 5, steeper - 40, "b")))
    together = np.concatenate([x - x.mean()] * 2), np.concatenate([y - y.mean(), steeper - steeper.mean()])
    one = ((together[1] - (together[0] @ together[1]) / (together[0] @ together[0]) * together[0]) ** 2).sum()
    each = sum(((z - np.polyval(np.polyfit(x, z, 1), x)) ** 2).sum() for z in (y, steeper))
    f = (one - each) / (each / 4)
    assert found.interaction.f == pytest.approx(f)
    assert found.interaction.degrees_of_freedom == (1, 4)
    assert found.interaction.p < 0.05
    assert found.disagreement == "size"


def lines_of(random, slope, *noises, n=6):
    """A group of ``n`` models for each standard deviation of the noise around one slope."""
    groups = np.repeat(np.arange(len(noises)), n)
    x = random.normal(size=len(groups))
    y = slope * x + np.array(noises)[groups] * random.normal(size=len(groups))
    return DataFrame({"mir": x, "score": y, "group": groups})


def f_of(data):
    """F of the interaction, by statsmodels."""
    one, each = (smf.ols(f"score ~ C(group) {term}", data).fit() for term in ("+ mir", "* mir"))
    return each.compare_f_test(one)


@pytest.mark.parametrize("seed", range(3))
def test_f_of_the_interaction_is_that_of_statsmodels(seed):
    data = lines_of(np.random.default_rng(seed), -2.0, 1.0, 2.0, 0.5)
    found, (f, _, within) = interaction(data), f_of(data)
    assert found.f == pytest.approx(f)
    assert found.degrees_of_freedom == (2, 12) and within == 2


@pytest.mark.parametrize("seed", range(3))
def test_p_of_the_interaction_is_that_of_worlds_of_one_slope(seed):
    # Whole worlds are drawn anew, models and all, with the noise of each group around the weighted slope.
    random = np.random.default_rng(seed)
    data = lines_of(random, -2.0, 3.0, 1.0, n=12)
    observed = f_of(data)[0]
    slope = 0.0
    for _ in range(20):
        centred = data - data.groupby("group")[["mir", "score"]].transform("mean").assign(group=0)
        noise = (centred["score"] - slope * centred["mir"]).pow(2).groupby(data["group"]).sum() / 11
        weights = 1 / noise.to_numpy()[data["group"]]
        slope = (weights * centred["mir"] * centred["score"]).sum() / (weights * centred["mir"] ** 2).sum()
    drawn = []
    for _ in range(2000):
        y = noise.to_numpy()[data["group"]] ** 0.5 * random.normal(size=len(data))
        each, together = [], [0.0, 0.0, 0.0]
        for group in (0, 1):
            x, z = data["mir"][data["group"] == group].to_numpy(), y[data["group"] == group]
            x, z = x - x.mean(), z - z.mean()
            each.append(z @ z - (x @ z) ** 2 / (x @ x))
            together = [a + b for a, b in zip(together, (x @ x, x @ z, z @ z), strict=True)]
        one = together[2] - together[1] ** 2 / together[0]
        drawn.append((one - sum(each)) / (sum(each) / 20))
    assert interaction(data).p == pytest.approx(np.mean(np.array(drawn) >= observed), abs=0.035)


def test_noise_of_groups_of_several_sizes_is_their_variance_around_the_weighted_slope():
    random = np.random.default_rng(4)
    group = np.repeat([0, 1, 2], [3, 9, 5])
    x = random.normal(size=17)
    y = -2 * x + np.array([1.0, 3.0, 2.0])[group] * random.normal(size=17)
    dummies, size = np.eye(3)[group], np.bincount(group)
    noise = np.ones(3)
    for _ in range(3):
        line = sm.WLS(y, np.column_stack([x, dummies]), weights=1 / noise[group]).fit()
        level = (y - line.params[0] * x) @ dummies / size
        residual = y - line.params[0] * x - level[group]
        noise = np.square(residual) @ dummies / (size - 1)
    x, y = (values - (values @ dummies / size)[group] for values in (x, y))
    found = _noise_around_one_slope(
        (x * x) @ dummies, (x * y) @ dummies, (y * y) @ dummies, size.astype(float)
    )
    assert found == pytest.approx(noise)


def test_alike_groups_have_no_interaction():
    found = pooled(two_groups(shift=30))
    assert found.interaction.f == pytest.approx(0, abs=1e-9)
    x, y = np.array([1.0, 2.0]), np.array([2.0, 1.0])
    assert pooled(averaged_of(checkpoints(x, y, "a"), checkpoints(x, y, "b"))).interaction is None


def test_a_model_of_two_groups_counts_once_in_the_pool():
    a, b = two_groups(shift=-10).comparison.groups.values()
    shared = replace(b[0], name=a[0].name)
    assert pooled(averaged_of(a, b)).n == 8
    assert pooled(averaged_of(a, [shared, *b[1:]])).n == 7


def refitted(x, y):
    """Slope and Pearson's r without each model, by fitting again."""
    rests = [np.arange(len(x)) != i for i in range(len(x))]
    return [np.polyfit(x[r], y[r], 1)[0] for r in rests], [np.corrcoef(x[r], y[r])[0, 1] for r in rests]


def test_influence_is_that_of_fitting_again_without_each():
    slopes, correlations = refitted(X, Y)
    found = fit(checkpoints(X, Y), "g").influence
    assert found.slopes == pytest.approx((min(slopes), max(slopes)))
    assert found.pearson == pytest.approx((min(correlations), max(correlations)))
    most = int(np.abs(np.array(slopes) - np.polyfit(X, Y, 1)[0]).argmax())
    assert (found.model, found.slope_without) == (f"m{most}", pytest.approx(slopes[most]))
    assert fit(checkpoints(X[:3], Y[:3]), "g").influence is None


def test_no_influence_where_one_model_makes_the_line():
    assert fit(checkpoints([1.0, 1, 1, 2], [1.0, 2, 3, 4]), "g").influence is None


def test_a_model_alone_in_its_group_moves_no_slope_within_groups():
    x, y = np.array([1.0, 1.3, 1.9, 2.2]), np.array([10.0, 9.1, 7.9, 7.4])
    alone = pooled(
        averaged_of(checkpoints(x, y, "a"), checkpoints(x + 1, y, "b"), checkpoints([9.0], [99.0], "c")),
        ["a", "b", "c"],
    )
    without = pooled(averaged_of(checkpoints(x, y, "a"), checkpoints(x + 1, y, "b")))
    assert alone.n == 9 and without.n == 8
    assert alone.within.influence.slopes == pytest.approx(without.within.influence.slopes)


def test_slope_within_groups_is_that_of_deviations_from_their_means():
    x = np.array([1.0, 1.3, 1.9, 2.2]) - 1.6
    y = np.array([10.0, 9.1, 7.9, 7.4]) - 8.6
    found = pooled(two_groups(shift=30))
    assert found.within.slope == pytest.approx((x * y).sum() / (x * x).sum())


def test_pool_of_unlike_averages_is_refused():
    averaged = two_groups(shift=0)
    averaged.over["b"] = ("A", "C")
    assert pooled(averaged) is None
    with pytest.raises(ValueError, match=r"cover different benchmarks .*--benchmarks common"):
        pooled(averaged, ["a", "b"])


def test_constant_predictor_says_so():
    found = fit(checkpoints([2.0] * 5, range(5)), "g")
    assert found.pearson is None
    assert found.notes == ["MIR is the same for all 5 models: nothing to relate"]
