"""Statistics that several processes took apart, and statistics that were put away in the middle."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mir_task.accumulate.moments import RunningMoments
from mir_task.accumulate.outliers import OutlierRule
from mir_task.accumulate.reservoir import random_keys
from mir_task.accumulate.statistics import ModalityStatistics
from tests.accumulate.test_statistics import SCENARIOS, accumulate, assert_equals_two_pass, rows, two_pass

GROUPS = 5


@pytest.fixture
def little_room(monkeypatch):
    monkeypatch.setattr("mir_task.accumulate.waiting.MIN_WAITING", 200)
    monkeypatch.setattr(
        "mir_task.accumulate.reservoir.BUDGET_BYTES", 0
    )  # the sample is smaller than the rows


def feed(statistics, batches, numbers, count):
    for number in numbers:
        statistics.update(
            batches[number], number * GROUPS // count, random_keys(len(batches[number]), number)
        )


def merged(batches, shares, parts=None):
    """As the processes of a run do it: each its share, one outlier rule, then all to one of them."""
    dealt = [ModalityStatistics(GROUPS, parts) for _ in shares]
    for statistics, share in zip(dealt, shares, strict=True):
        feed(statistics, batches, share, len(batches))
    rule = OutlierRule.of(torch.cat([norms for statistics in dealt for norms in statistics.norms]))
    for statistics, share in zip(dealt, shares, strict=True):
        statistics.decide(rule)
        if statistics.needs_another_pass:
            statistics.restart()
            feed(statistics, batches, share, len(batches))
        statistics.settle()
    result = dealt[0]
    for other in dealt[1:]:
        result.merge(ModalityStatistics.from_state(other.state(), torch.device("cpu")))
    return result.summary()


def shares(count, cuts):
    return [range(a, b) for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), count], strict=True)]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("cuts", [[], [20], [0, 3, 40], [61, 62]])
def test_dealt_rows_give_what_all_rows_give(scenario, cuts, little_room):
    data = rows(**SCENARIOS[scenario])
    batches = data.split(97)
    alone, dealt = merged(batches, shares(len(batches), [])), merged(batches, shares(len(batches), cuts))
    _, outliers = two_pass(data)
    assert dealt.outliers == outliers.sum()
    np.testing.assert_allclose(dealt.moments.mean, data[~outliers].mean(0), rtol=1e-12)
    covariance = np.cov(data[~outliers], rowvar=False)
    assert np.abs(dealt.moments.covariance.numpy() - covariance).max() <= 1e-12 * np.abs(covariance).max()
    # The rows that stand for all in medians are the very same, as are norms and what follows from them.
    assert not dealt.sample.exact
    assert all(torch.equal(a, b) for a, b in zip(dealt.replacements, alone.replacements, strict=True))
    assert dealt.mean_norm_inliers == alone.mean_norm_inliers
    for group in range(GROUPS):
        assert torch.equal(dealt.norms[group], alone.norms[group])
        assert torch.equal(dealt.inliers[group].centre, dealt.inliers[0].centre)
        np.testing.assert_allclose(
            dealt.inliers[group].finish().covariance, alone.inliers[group].finish().covariance, rtol=1e-10
        )


@settings(max_examples=15)
@given(st.lists(st.integers(0, 30), max_size=5), st.integers(1, GROUPS))
def test_however_rows_are_dealt(cuts, parts):
    data = rows(share=0.01)
    batches = data.split(200)
    assert_equals_two_pass(merged(batches, shares(len(batches), cuts), parts), data, rtol=1e-11)


def test_far_from_zero_no_digits_are_lost():
    data = rows() + 1e6
    batches = data.split(97)
    dealt = merged(batches, shares(len(batches), [7, 30]))
    _, outliers = two_pass(data)
    covariance = np.cov(data[~outliers], rowvar=False)
    assert np.abs(dealt.moments.covariance.numpy() - covariance).max() <= 1e-9 * np.abs(covariance).max()


def test_memory_is_taken_for_expected_groups_alone_and_at_once():
    statistics = ModalityStatistics(GROUPS, expected={0, 3})
    feed(statistics, rows().split(97), range(10), 62)  # all of the first group
    statistics.settle()
    taken = [part for part in range(GROUPS) if f"moments.{part}.scatter" in statistics.state()]
    assert taken == [0, 3]
    statistics = ModalityStatistics.from_state(statistics.state(), torch.device("cpu"))
    assert set(statistics.state()["expected"].tolist()) == {0, 3}


@pytest.mark.parametrize("scenario", ["1% x100", "masking: 15% x100"])
@pytest.mark.parametrize("stop", [0, 1, 25, 62])
def test_put_away_and_taken_up_again_changes_no_bit(scenario, stop, little_room):
    batches = rows(**SCENARIOS[scenario]).split(97)

    def run(interrupted):
        statistics = ModalityStatistics(GROUPS)
        for again in (False, True):
            if again and not statistics.needs_another_pass:
                break
            if again:
                statistics.restart()
            feed(statistics, batches, range(stop), len(batches))
            if interrupted:
                state = {name: value.clone() for name, value in statistics.state().items()}
                statistics = ModalityStatistics.from_state(state, torch.device("cpu"))
            feed(statistics, batches, range(stop, len(batches)), len(batches))
        return statistics.summary()

    once, twice = run(False), run(True)
    assert torch.equal(once.moments.covariance, twice.moments.covariance)
    assert torch.equal(once.moments.mean, twice.moments.mean)
    assert once.mean_norm == twice.mean_norm and once.passes == twice.passes
    assert all(torch.equal(a, b) for a, b in zip(once.replacements, twice.replacements, strict=True))


def test_one_process_without_rows():
    data = rows(n=500)
    empty, full = ModalityStatistics(), ModalityStatistics()
    full.update(data)
    rule = OutlierRule.of(torch.cat(full.norms))
    for statistics in (empty, full):
        statistics.decide(rule)
        assert not statistics.needs_another_pass
        statistics.settle()
    empty.merge(full)
    expected = accumulate([data])
    assert torch.equal(empty.summary().moments.covariance, expected.moments.covariance)
    assert isinstance(empty.summary().inliers[0], RunningMoments)
