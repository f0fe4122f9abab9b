"""Statistics that several processes took apart, and statistics that were put away in the middle."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.outliers import OutlierRule
from mir_task.accumulate.reservoir import random_keys
from mir_task.accumulate.statistics import FirstPass, SecondPass, Settled
from tests.accumulate.planted import SCENARIOS, accumulate, assert_equals_two_pass, rows, two_pass

GROUPS = 5
CPU = torch.device("cpu")
SMALL_SAMPLE = BufferSizes(waiting_rows=200, sample_bytes=0)
"""Few rows wait, and the sample that medians are taken from is smaller than the rows."""


def feed(statistics, batches, numbers):
    """Batches in groups of neighbours; which rows are sampled depends on the batch's number alone."""
    for number in numbers:
        keys = random_keys(len(batches[number]), number)
        statistics.update(batches[number], number * GROUPS // len(batches), keys)


def merged(batches, shares, scatters=None, buffers=SMALL_SAMPLE):
    """As the processes of a run do it: each its share, one outlier rule, then all to one of them."""
    dealt = [FirstPass(GROUPS, scatters, buffers=buffers) for _ in shares]
    for first, share in zip(dealt, shares, strict=True):
        feed(first, batches, share)
    rule = OutlierRule.of(torch.cat([norms for first in dealt for norms in first.norms]))
    settled = []
    for first, share in zip(dealt, shares, strict=True):
        statistics = first.close(rule)
        if isinstance(statistics, SecondPass):
            feed(statistics, batches, share)
            statistics = statistics.close()
        settled.append(statistics)
    result = settled[0]
    for other in settled[1:]:
        result.merge(Settled.from_state(other.state(), buffers, CPU))
    return result.summary()


def shares(count, cuts):
    return [range(a, b) for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), count], strict=True)]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("cuts", [[], [20], [0, 3, 40], [61, 62]])
def test_dealt_rows_give_what_all_rows_give(scenario, cuts):
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
def test_however_rows_are_dealt(cuts, scatters):
    data = rows(share=0.01)
    batches = data.split(200)
    dealt = merged(batches, shares(len(batches), cuts), scatters, buffers=BufferSizes())
    assert_equals_two_pass(dealt, data, rtol=1e-11)


def test_far_from_zero_no_digits_are_lost():
    data = rows() + 1e6
    batches = data.split(97)
    dealt = merged(batches, shares(len(batches), [7, 30]))
    _, outliers = two_pass(data)
    covariance = np.cov(data[~outliers], rowvar=False)
    assert np.abs(dealt.moments.covariance.numpy() - covariance).max() <= 1e-9 * np.abs(covariance).max()


def test_memory_is_taken_for_expected_groups_alone_and_at_once():
    first = FirstPass(GROUPS, expected={0, 3})
    feed(first, rows().split(97), range(10))  # all of the first group
    state = first.close().state()
    taken = [scatter for scatter in range(GROUPS) if f"inliers.{scatter}.scatter" in state]
    assert taken == [0, 3]
    again = Settled.from_state(state, BufferSizes(), CPU)
    assert again.state()["inliers.expected"].tolist() == [0, 3]


@pytest.mark.parametrize("scenario", ["1% x100", "masking: 15% x100"])
@pytest.mark.parametrize("stop", [0, 1, 25, 62])
def test_put_away_and_taken_up_again_changes_no_bit(scenario, stop):
    batches = rows(**SCENARIOS[scenario]).split(97)

    def put_away(statistics):
        state = {name: value.clone() for name, value in statistics.state().items()}
        return type(statistics).from_state(state, SMALL_SAMPLE, CPU)

    def run(between=lambda statistics: statistics):
        statistics = FirstPass(GROUPS, buffers=SMALL_SAMPLE)
        while not isinstance(statistics, Settled):
            feed(statistics, batches, range(stop))
            statistics = between(statistics)
            feed(statistics, batches, range(stop, len(batches)))
            statistics = statistics.close()
        return between(statistics).summary()

    undisturbed, interrupted = run(), run(put_away)
    assert torch.equal(interrupted.moments.covariance, undisturbed.moments.covariance)
    assert torch.equal(interrupted.moments.mean, undisturbed.moments.mean)
    assert interrupted.mean_norm == undisturbed.mean_norm
    assert interrupted.passes == undisturbed.passes == (2 if scenario.startswith("masking") else 1)
    medians = zip(interrupted.replacements, undisturbed.replacements, strict=True)
    assert all(torch.equal(a, b) for a, b in medians)


def test_a_process_without_rows_adds_nothing():
    data = rows(n=500)
    empty, full = FirstPass(), FirstPass()
    full.update(data)
    rule = OutlierRule.of(torch.cat(full.norms))
    result = empty.close(rule)
    result.merge(full.close(rule))
    covariance = accumulate([data], buffers=BufferSizes()).moments.covariance
    assert torch.equal(result.summary().moments.covariance, covariance)
