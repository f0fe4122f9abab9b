"""Errors of averages, and whether the scores of a group say anything beyond them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mir_task.bench.worlds import checkpoint
from mir_task.report.score_noise import average_error, score_noise


def scored(average, error, freedom=math.inf, runs=1):
    """A model of this average and its standard error."""
    return checkpoint("m", "g", 1.0, average, average_error=error, average_freedom=freedom, score_runs=runs)


def test_error_of_an_average_is_that_of_a_mean_of_independent_numbers():
    model = replace(scored(50.0, None), score_errors={"a": 3.0, "b": 4.0})
    assert average_error(model, {"a": 1.0, "b": 1.0}) == (2.5, math.inf)
    error, _ = average_error(model, {"a": 100.0, "b": 0.5})
    assert error == pytest.approx(math.hypot(300, 2) / 2)


def test_spread_over_runs_of_sft_goes_before_the_stated_error():
    model = replace(scored(50.0, None, runs=4), score_errors={"a": 9.0}, score_spread={"a": 3.0})
    assert average_error(model, {"a": 1.0}) == (1.5, pytest.approx(3))


def test_an_average_with_a_benchmark_of_unknown_error_has_none():
    model = replace(scored(50.0, None), score_errors={"a": 3.0})
    assert average_error(model, {"a": 1.0, "b": 1.0})[0] is None


def test_stated_errors_give_cochrans_q():
    averages, errors = np.array([50.0, 52, 55]), np.array([1.0, 2.0, 1.5])
    found = score_noise([scored(a, e) for a, e in zip(averages, errors, strict=True)])
    weights = 1 / errors**2
    q = (weights * averages**2).sum() - (weights * averages).sum() ** 2 / weights.sum()
    assert found.q == pytest.approx(q)
    assert found.p == pytest.approx(stats.chi2.sf(q, 2))


def test_runs_of_sft_of_one_benchmark_give_the_analysis_of_variance():
    runs = np.random.default_rng(3).normal(size=(5, 3)) + np.arange(5)[:, None]
    members = []
    for values in runs:
        model = replace(scored(values.mean(), None, runs=3), score_spread={"a": values.std(ddof=1)})
        error, freedom = average_error(model, {"a": 1.0})
        members.append(replace(model, average_error=error, average_freedom=freedom))
    found, wanted = score_noise(members), stats.f_oneway(*runs)
    assert found.q / 4 == pytest.approx(wanted.statistic)
    assert found.p == pytest.approx(wanted.pvalue)


def test_scores_within_their_errors_say_nothing():
    assert score_noise([scored(50.0, 2.0), scored(51.0, 2.0), scored(49.5, 2.0)]).within_noise
    assert not score_noise([scored(50.0, 0.2), scored(51.0, 0.2), scored(49.5, 0.2)]).within_noise


def test_without_errors_nothing_is_said():
    assert score_noise([scored(50.0, 2.0), scored(51.0, None)]) is None
    assert score_noise([scored(50.0, 2.0)]) is None


@pytest.mark.usefixtures("undrawn")
def test_errors_in_a_table_reach_the_report(workshop, falling):
    # In fractions of one: the average is in points of a hundred, and so is its error.
    rows = falling(4, mme=[0.60, 0.61, 0.62, 0.63], gqa_stderr=[4.0] * 4, mme_stderr=[0.03] * 4)
    workshop.report(workshop.table(rows))
    (group,) = workshop.regression.groups
    averages = [(50 + i + 60 + i) / 2 for i in range(4)]
    q = sum((a - np.mean(averages)) ** 2 for a in averages) / (5 / 2) ** 2
    assert group.score_noise.q == pytest.approx(q)
    assert group.score_noise.within_noise
