"""Errors of MIR of several models together, and which of them the leaderboard calls different."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from mir_task.bench.worlds import checkpoint
from mir_task.report.holm import holm
from mir_task.report.paired import error_covariance, interval_over_pairs
from mir_task.report.records import Run
from mir_task.report.ties import ranked, told_apart
from mir_task.result import MIRResult, Protocol, SkippedPair

RANDOM = np.random.default_rng(5)
GROUPS = 10


def run(values, ids=("a", "b"), skipped=(), groups=GROUPS):
    """A run whose MIR is the mean of ``values``, one a group of pairs."""
    values = np.asarray(values)
    result = MIRResult.model_construct(
        mir=float(values.mean()),
        mir_left_out=list((values.sum() - values) / (len(values) - 1)),
        groups=groups,
        skipped=[SkippedPair(number=number, reason="") for number in skipped],
        protocol=Protocol(pair_ids=list(ids)),
    )
    return Run("m", {"mir": result.mir, "mir_se": float(stats.sem(values))}, "", result=result)


def model(name, *runs):
    """The checkpoint of these runs."""
    mir = [one.mir for one in runs]
    return checkpoint(
        name,
        "g",
        float(np.mean(mir)),
        standard_error=math.sqrt(np.mean([one.standard_error**2 for one in runs])),
        spread=float(np.std(mir, ddof=1)) if len(runs) > 1 else None,
        runs=tuple(runs),
    )


def of_errors(*errors, mir=None):
    """Models of which no more than MIR and its standard error is known, as of a table."""
    mir = range(len(errors)) if mir is None else mir
    return [
        checkpoint(f"m{i}", "g", float(x), standard_error=error, runs=(Run("m", {"mir": x}, ""),))
        for i, (x, error) in enumerate(zip(mir, errors, strict=True))
    ]


def test_models_on_the_same_pairs_share_the_covariance_of_their_means():
    values = RANDOM.normal(size=(3, GROUPS)) + RANDOM.normal(size=GROUPS)
    found = error_covariance([model(str(i), run(each)) for i, each in enumerate(values)])
    assert found == pytest.approx(np.cov(values) / GROUPS)


@pytest.mark.parametrize("other", [{"ids": ("a", "c")}, {"skipped": (1,)}, {"groups": 9}])
def test_models_on_other_groups_of_pairs_are_independent(other):
    values = RANDOM.normal(size=GROUPS)
    found = error_covariance([model("a", run(values)), model("b", run(values, **other))])
    assert found == pytest.approx(np.eye(2) * values.var(ddof=1) / GROUPS)


def test_several_choices_of_pairs_are_not_taken_for_independent():
    first, second = RANDOM.normal(size=(2, GROUPS)), RANDOM.normal(size=(2, GROUPS))
    models = [
        replace(model(str(i), run(first[i]), run(second[i], ids=("c", "d"))), spread=0.0) for i in range(2)
    ]
    assert error_covariance(models) == pytest.approx((np.cov(first) + np.cov(second)) / 2 / GROUPS)


def test_seeds_add_their_pooled_spread_over_the_root_of_their_number():
    values = RANDOM.normal(size=GROUPS)
    two = model("two", run(values), run(values + 0.4))
    three = model("three", run(values), run(values + 1), run(values + 2))
    one = model("one", run(values))
    pooled = (1 * 0.08 + 2 * 1.0) / 3
    beyond = np.diag(error_covariance([two, three, one])) - values.var(ddof=1) / GROUPS
    assert beyond == pytest.approx([pooled / 2, 1 / 3, pooled])


def test_covariance_is_not_known_where_an_error_is_not():
    assert error_covariance(of_errors(0.1, None)) is None


@settings(max_examples=20)  # statsmodels collects all garbage each time
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.001, 0.5))
def test_holm_is_that_of_statsmodels(p, level):
    rejected, corrected, *_ = multipletests(p, level, "holm")
    assert holm(p) == pytest.approx(corrected)
    assert ((holm(p) <= level) == rejected).all()


def test_two_models_on_the_same_pairs_are_told_apart_by_the_paired_test():
    common = 10 * RANDOM.normal(size=GROUPS)
    for shift in (0.1, 0.5, 1.0, 2.0):
        first, second = common + RANDOM.normal(size=GROUPS), common + shift + RANDOM.normal(size=GROUPS)
        p = stats.ttest_rel(first, second).pvalue
        (apart,) = told_apart([[model("a", run(first)), model("b", run(second))]])
        assert apart[0, 1] == (p <= 0.05)
    assert p <= 0.05 < stats.ttest_ind(first, second).pvalue


def test_models_of_a_table_are_told_apart_by_welchs_test_with_ten_groups_of_pairs():
    for difference in np.linspace(0.5, 5, 19):
        t, welch = difference / math.hypot(1, 0.5), 9 * (1 + 0.25) ** 2 / (1 + 0.25**2)
        (apart,) = told_apart([of_errors(1.0, 0.5, mir=(0, difference))])
        assert apart[0, 1] == (2 * stats.t.sf(t, welch) <= 0.05)


def test_more_pairs_on_the_leaderboard_ask_for_more():
    pair = of_errors(1.0, 1.0, mir=(0, 3.5))
    assert told_apart([pair])[0].any()
    assert not any(apart.any() for apart in told_apart([pair] * 10))


def test_ranks_are_those_that_differences_leave_open():
    found = ranked([of_errors(0.1, 0.1, 0.1, mir=(1.0, 1.1, 9.0))])
    assert [c.rank for c in found] == [(1, 2), (1, 2), (3, 3)]
    assert [set(c.tied_with) for c in found] == [{"m1"}, {"m0"}, set()]


def test_a_model_without_an_error_ties_with_all_others():
    found = ranked([of_errors(0.1, None, 0.1, mir=(1.0, 5.0, 9.0))])
    assert [c.rank for c in found] == [(1, 2), (1, 3), (2, 3)]


def test_without_any_errors_mir_is_taken_as_it_stands():
    found = ranked([of_errors(None, None, None, mir=(1.0, 1.0, 2.0))])
    assert [c.rank for c in found] == [(1, 2), (1, 2), (3, 3)]


@pytest.mark.parametrize("groups", [5, 10])
def test_the_interval_of_one_run_is_students_over_its_groups_of_pairs(groups):
    values = RANDOM.normal(size=groups)
    wanted = stats.t.interval(0.95, groups - 1, values.mean(), stats.sem(values))
    assert interval_over_pairs(model("m", run(values, groups=groups))) == pytest.approx(wanted)


def test_several_runs_and_an_unknown_error_have_no_interval():
    two = model("m", run(RANDOM.normal(size=GROUPS)), run(RANDOM.normal(size=GROUPS)))
    (unknown,) = of_errors(None)
    assert interval_over_pairs(two) is interval_over_pairs(unknown) is None


def test_two_training_seeds_each_tell_models_apart_by_two_degrees_of_freedom():
    for apart in np.linspace(1, 8, 15):
        pair = [
            replace(c, standard_error=1e-6, spread=1.0, runs=c.runs * 2)
            for c in of_errors(1.0, 1.0, mir=(0, apart))
        ]
        # Both means have the variance 1 / 2.
        (differ,) = told_apart([pair])
        assert differ[0, 1] == (2 * stats.t.sf(apart, 2) <= 0.05)
