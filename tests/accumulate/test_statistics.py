import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mir_task import MIRDataError
from mir_task.accumulate.outliers import OutlierRule
from mir_task.accumulate.statistics import FirstPass, SecondPass
from tests.accumulate.planted import (
    LITTLE_ROOM,
    SCENARIOS,
    N,
    accumulate,
    assert_equals_two_pass,
    feed,
    rows,
    two_pass,
)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("batch", [97, N])
def test_one_pass_equals_two(scenario, batch):
    data = rows(**SCENARIOS[scenario])
    result = accumulate(data.split(batch))
    assert_equals_two_pass(result, data)
    assert result.passes == (2 if scenario.startswith("masking") else 1)


def test_too_many_outliers_are_detected_not_assumed():
    first = FirstPass(buffers=LITTLE_ROOM)
    feed(first, rows(share=0.15).split(97))
    second = first.close()
    assert isinstance(second, SecondPass)
    with pytest.raises(MIRDataError, match="must be seen once more"):
        second.close()


def test_a_second_pass_over_fewer_rows_is_refused():
    second = needing_a_second_pass()
    feed(second, rows(share=0.15).split(97)[:-1])
    with pytest.raises(MIRDataError, match="must be seen once more"):
        second.close()


def test_a_second_pass_over_other_rows_is_refused():
    with pytest.raises(MIRDataError, match="in the second pass other rows came"):
        needing_a_second_pass().update(rows(share=0.15, seed=5)[:97])


def needing_a_second_pass():
    first = FirstPass(buffers=LITTLE_ROOM)
    feed(first, rows(share=0.15).split(97))
    return first.close()


def test_cleared_statistics_are_as_new():
    first = FirstPass(3, buffers=LITTLE_ROOM)
    feed(first, rows(seed=9).split(97), groups=3)
    first.clear()
    assert first.state().keys() == FirstPass(3, buffers=LITTLE_ROOM).state().keys()
    feed(first, rows(share=0.01).split(97), groups=3)
    cleared, expected = first.close().summary(), accumulate(rows(share=0.01).split(97), groups=3)
    assert torch.equal(cleared.moments.covariance, expected.moments.covariance)
    assert torch.equal(torch.cat(cleared.norms), torch.cat(expected.norms))


@given(st.lists(st.integers(0, N), max_size=6), st.integers(1, 4))
def test_batches_and_groups_change_nothing(cuts, groups):
    data = rows(share=0.01)
    batches = [torch.as_tensor(part) for part in np.split(data, sorted(cuts))]
    assert_equals_two_pass(accumulate(batches, groups), data, rtol=1e-11)


def test_groups_are_kept_apart():
    data = rows(share=0.01)
    result = accumulate(data.split(97), groups=3)
    _, outliers = two_pass(data)
    group_of = np.arange(N) // 97 % 3
    for group in range(3):
        own, flags = data[group_of == group], outliers[group_of == group]
        np.testing.assert_allclose(result.inliers[group].finish().mean, own[~flags].mean(0), rtol=1e-12)
        np.testing.assert_allclose(result.norms[group], np.linalg.norm(own, axis=1), rtol=1e-12)


def test_alpha_is_taken_before_removal():
    data = rows(share=0.01)
    result = accumulate([data])
    _, outliers = two_pass(data)
    assert result.mean_norm == pytest.approx(float(data.norm(dim=1).mean()), rel=1e-12)
    assert result.mean_norm_inliers == pytest.approx(float(data[~outliers].norm(dim=1).mean()), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rows_of_low_precision_are_summed_in_high(dtype):
    data = rows(share=0.01, factor=10.0, dtype=dtype)
    assert_equals_two_pass(accumulate(data.split(97)), data, rtol=1e-10)


def outlier_by_numpy(data):
    norms = np.linalg.norm(data.double().numpy(), axis=1)
    return abs(norms[-1] - np.median(norms)) > 3 * norms.std(ddof=1)


def test_float32_rows_on_either_side_of_the_outlier_limit_are_told_apart():
    data = torch.randn(101, 2, generator=torch.Generator().manual_seed(0)) + 10
    data[-1] = torch.tensor([float(data.norm(dim=1).median()), 0.0])
    inside, outside = np.float32(0), np.float32(100)
    while (middle := (inside + outside) / np.float32(2)) not in (inside, outside):
        data[-1, 1] = float(middle)
        if outlier_by_numpy(data):
            outside = middle
        else:
            inside = middle
    flagged = []
    for second in (inside, outside):  # neighbours in float32, whose rows' norms are the same in float32
        data[-1, 1] = float(second)
        flagged.append(bool(accumulate([data]).outlier_masks[0][-1]))
    assert flagged == [False, True]


def test_memory_does_not_grow_with_the_number_of_rows():
    first = FirstPass(buffers=LITTLE_ROOM)
    waiting = []
    for seed in range(20):
        feed(first, rows(n=1000, seed=seed).split(97))
        waiting.append(len(first.state()["intake.waiting.norms"]))
    assert max(waiting) <= 200 * 13 // 8


def test_outlier_rule_takes_the_lower_median_and_n_minus_1():
    # Median 1 (the lower of 1 and 9), std 4.36 with n - 1: 15 is more than 3 of them away from 1, while
    # from the upper median 9, or the mean of both, it is not.
    norms = torch.tensor([1.0] * 10 + [9.0] * 9 + [15.0], dtype=torch.float64)
    assert OutlierRule.of(norms).mask(norms).tolist() == [False] * 19 + [True]


BAD_ROWS = {
    "none": ([], "at least 2 rows, got 0"),
    "one": ([torch.ones(1, 3)], "at least 2 rows, got 1"),
    "a vector": ([torch.ones(3)], r"expected floating rows \[n, d\], got \[3\]"),
    "integers": ([torch.ones(2, 3, dtype=torch.long)], "torch.int64"),
    "two widths": ([torch.ones(2, 3), torch.ones(2, 4)], "width 4 after width 3"),
}


@pytest.mark.parametrize("rows", BAD_ROWS)
def test_bad_rows_are_named(rows):
    batches, message = BAD_ROWS[rows]
    with pytest.raises(MIRDataError, match=message):
        _ = accumulate(batches).moments
