"""Share of the variance that lies between pairs, against numpy on all rows at once."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mir_task.accumulate.between import BetweenPairs
from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.record import exact_norms
from mir_task.accumulate.statistics import FirstPass, SecondPass, Settled
from tests.accumulate.planted import LITTLE_ROOM, two_pass

CPU = torch.device("cpu")


def pairs(sizes, seed=0, apart=1.0, own=1.0, d=5, dtype=torch.float64):
    """Rows of pairs of these sizes, about means that are ``apart`` from each other and far from zero."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            20
            + apart * torch.randn(1, d, generator=generator, dtype=torch.float64)
            + own * torch.randn(n, d, generator=generator, dtype=torch.float64)
        ).to(dtype)
        for n in sizes
    ]


def added(batches):
    sums = BetweenPairs()
    for rows in batches:
        sums.add(rows, exact_norms(rows))
    return sums


def direct(batches):
    """Sums of squares between pairs and about the mean of all rows; the rows are taken as they are."""
    batches = [rows.double().numpy() for rows in batches]
    mean = np.concatenate(batches).mean(0)
    between = sum(len(rows) * ((rows.mean(0) - mean) ** 2).sum() for rows in batches)
    return between, ((np.concatenate(batches) - mean) ** 2).sum()


SIZES = st.lists(st.integers(1, 9), min_size=2, max_size=8)  # of so few rows none can be an outlier


@given(SIZES, st.floats(0, 100), st.integers(0, 1000))
def test_sums_of_squares_are_numpys(sizes, apart, seed):
    batches = pairs(sizes, seed, apart)
    sums = added(batches)
    between, total = direct(batches)
    assert (sums.pairs, sums.count) == (len(sizes), sum(sizes))
    assert sums.between == pytest.approx(between, rel=1e-9, abs=1e-9)
    assert sums.total == pytest.approx(total, rel=1e-9, abs=1e-9)
    assert sums.share == pytest.approx(between / total, rel=1e-9, abs=1e-12)


@given(SIZES, st.data())
def test_parts_of_several_processes_give_what_all_pairs_give(sizes, data):
    batches = pairs(sizes)
    cut = data.draw(st.integers(0, len(batches)))
    first, second = added(batches[:cut]), added(batches[cut:])
    first.merge(BetweenPairs.from_state(second.state(), CPU))
    whole = added(batches)
    assert first.pairs == whole.pairs
    assert (first.between, first.total) == pytest.approx((whole.between, whole.total), rel=1e-10)


def test_put_away_in_the_middle_they_go_on_bit_for_bit():
    batches = pairs([40, 30, 50, 20], dtype=torch.float32)
    carried = BetweenPairs.from_state(added(batches[:2]).state(), CPU)
    for rows in batches[2:]:
        carried.add(rows, exact_norms(rows))
    whole = added(batches)
    assert (carried.between, carried.total) == (whole.between, whole.total)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_rows_of_low_precision_are_summed_in_high(dtype):
    batches = pairs([9] * 6, dtype=dtype)
    assert (added(batches).between, added(batches).total) == pytest.approx(direct(batches), rel=1e-9)


def test_each_pair_leaves_out_its_own_outliers():
    batches = pairs([60] * 5, apart=3.0)
    for number, rows in enumerate(batches):
        rows[7 * number] *= 1000
    kept = []
    for rows in batches:
        data, outliers = two_pass(rows)
        assert outliers.sum() == 1
        kept.append(torch.from_numpy(data[~outliers]))
    between, total = direct(kept)
    assert added(batches).share == pytest.approx(between / total, rel=1e-8)
    assert added(batches).count == 5 * 59


def test_the_share_is_nearly_all_of_constant_pairs_and_by_chance_of_rows_that_know_no_pair():
    assert added(pairs([50] * 40, own=1e-9)).share == pytest.approx(1)
    by_chance = [added(pairs([50] * 40, seed, apart=0.0)).share for seed in range(20)]
    assert np.mean(by_chance) == pytest.approx(39 / 1999, rel=0.05)


def test_the_same_rows_in_every_pair_have_no_share():
    (rows,) = pairs([50])
    assert added([rows] * 8).share < 1e-25


@pytest.mark.parametrize("batches", [[], pairs([50])], ids=["no pair", "one pair"])
def test_fewer_than_two_pairs_have_no_share(batches):
    assert added(batches).share is None


@pytest.mark.parametrize(
    "batches",
    [[torch.full((n, 2), 0.1) for n in (3, 4, 7)], [torch.zeros(3, 2)] * 4],
    ids=["equal rows", "rows of zeros"],
)
def test_rows_that_are_all_equal_differ_between_no_pairs(batches):
    assert added(batches).share == 0


def closed(batches, buffers=None, **settings):
    """The settled statistics, after a second pass where one is needed; and how many passes it took."""
    statistics = FirstPass(buffers=buffers or BufferSizes(), **settings)
    for rows in batches:
        statistics.update(rows)
    statistics = statistics.close()
    if isinstance(statistics, SecondPass):
        for rows in batches:
            statistics.update(rows)
        statistics = statistics.close()
    return statistics


def test_rows_that_come_a_second_time_count_once():
    batches = pairs([300] * 10)
    for rows in batches:
        rows[:24] *= 100  # too many to wait
    once, twice = closed(batches, pairwise=True), closed(batches, LITTLE_ROOM, pairwise=True)
    assert (once.summary().passes, twice.summary().passes) == (1, 2)
    assert twice.summary().share_between_pairs == once.summary().share_between_pairs > 0


def test_settled_statistics_carry_the_share_and_merge_it():
    batches = pairs([30] * 6)
    first, second = closed(batches[:2], pairwise=True), closed(batches[2:], pairwise=True)
    first.merge(Settled.from_state(second.state(), BufferSizes(), CPU))
    assert first.summary().share_between_pairs == pytest.approx(added(batches).share, rel=1e-12)


def test_a_process_without_pairs_changes_nothing():
    batches = pairs([30] * 6)
    alone, whole = added([]), added(batches)
    alone.merge(whole)
    whole.merge(added([]))
    assert alone.share == whole.share == added(batches).share


def test_rows_that_do_not_come_pair_by_pair_have_no_share():
    assert closed(pairs([30] * 6)).summary().share_between_pairs is None


def test_cleared_statistics_still_come_pair_by_pair():
    batches, statistics = pairs([30] * 6), FirstPass(pairwise=True)
    statistics.update(1000 * batches[0])
    statistics.clear()
    for rows in batches:
        statistics.update(rows)
    assert statistics.close().summary().share_between_pairs == added(batches).share
