import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mir_task.study.judge import (
    LOWER_IS_BETTER,
    Spread,
    partial_rank,
    predict,
    rank_correlation,
    spread,
    within_experiments,
)

SIX_APART = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
TWO_APART = (0.2, 0.6)


def runs(means, seeds=3, noise=0.01, mir_slope=-1.0):
    """Runs of variants with these mean scores; MIR is a line of the score."""
    random = np.random.default_rng(0)
    rows = []
    for number, mean in enumerate(means):
        for seed in range(seeds):
            score = mean + noise * random.normal()
            rows.append({"note": f"v{number}", "seed": seed, "average": score, "mir": 3 + mir_slope * mean})
    return pd.DataFrame(rows)


def test_spread_is_that_of_a_one_way_analysis_of_variance():
    table = runs([0.3, 0.5, 0.4, 0.6], noise=0.05)
    found = spread(table, "average")
    samples = [group["average"].to_numpy() for _, group in table.groupby("note")]
    assert found.noise == pytest.approx(math.sqrt(np.mean([sample.var(ddof=1) for sample in samples])))
    # F is the squared ratio of the two.
    assert found.ratio**2 == pytest.approx(stats.f_oneway(*samples).statistic)


def test_noise_of_one_seed_is_not_known():
    found = spread(runs([0.3, 0.5], seeds=1), "average")
    assert math.isnan(found.noise) and math.isnan(found.ratio)


def verdict(table):
    return predict(table, "mir", spread(table, "average")).verdict


@pytest.mark.parametrize("means", [SIX_APART, TWO_APART])
def test_a_claim_holds_where_lower_mir_goes_with_a_better_score(means):
    assert verdict(runs(means, mir_slope=-1.0)) == "holds"


@pytest.mark.parametrize("means", [SIX_APART, TWO_APART])
def test_the_opposite_is_found_where_higher_mir_goes_with_a_better_score(means):
    assert verdict(runs(means, mir_slope=1.0)) == "opposite"


def test_scores_that_spread_less_than_their_noise_cannot_tell():
    assert verdict(runs([0.5, 0.501, 0.502, 0.5, 0.501, 0.502], noise=0.05)) == "cannot tell"


def test_an_order_that_chance_may_give_is_not_shown():
    table = runs(SIX_APART)
    table["mir"] = table["note"].map({"v0": 2.0, "v1": 3.0, "v2": 1.0, "v3": 2.5, "v4": 1.5, "v5": 2.7})
    assert verdict(table) == "not shown"


def test_two_variants_without_known_noise_show_nothing():
    table = runs(TWO_APART, seeds=1)
    assert predict(table, "mir", Spread(0.2, math.nan, 1)).verdict == "cannot tell"
    assert predict(table, "mir", Spread(0.2, 0.01, 1)).verdict == "not shown"  # MIR's own noise


def test_predictors_point_the_way_that_their_authors_mean():
    table = runs([0.2, 0.3, 0.4, 0.5], noise=0.0)
    table["in_context"] = table["average"]
    table["loss"] = -table["average"]
    for name in ("mir", "loss", "in_context"):
        assert predict(table, name, Spread(0.1, 0.01, 3)).spearman == pytest.approx(1)
    assert set(LOWER_IS_BETTER) > {"mir", "loss", "caption_ppl", "in_context"}


def test_rank_correlation_is_scipys_and_its_p_is_of_all_orders():
    x, y = np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 2, 3, 5, 4])
    found = rank_correlation(x, y)
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.rho == pytest.approx(0.9)
    # 1 + 4 orders of 120 are as extreme on either side.
    assert found.p == pytest.approx(10 / 120)
    constant = rank_correlation(x, np.ones(5))
    assert math.isnan(constant.rho) and math.isnan(constant.p)


def test_partial_rank_correlation_is_that_of_residuals():
    random = np.random.default_rng(1)
    given = random.normal(size=60)
    table = pd.DataFrame({"mir": given + random.normal(size=60), "norm_ratio": given})
    table["average"] = given + random.normal(size=60)
    ranks = table.rank()
    residuals = [
        ranks[name] - np.polyval(np.polyfit(ranks["norm_ratio"], ranks[name], 1), ranks["norm_ratio"])
        for name in ("mir", "average")
    ]
    assert partial_rank(table, "mir", "norm_ratio") == pytest.approx(np.corrcoef(*residuals)[0, 1])


def test_within_experiments_takes_each_mean_off():
    table = pd.DataFrame({"group": ["a", "a", "b", "b"], "mir": [1.0, 3.0, 10.0, 14.0]})
    assert within_experiments(table, "mir").tolist() == [-1, 1, -2, 2]
