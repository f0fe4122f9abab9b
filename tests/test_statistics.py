import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mir_task import MIRDataError
from mir_task.statistics import ModalityStatistics, outlier_mask


def rows(n=400, d=6, seed=0, outliers=8):
    data = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 2
    data[:outliers] *= 100
    return data


def summary(*batches):
    statistics = ModalityStatistics()
    for batch in batches:
        statistics.update(batch)
    return statistics.summary()


def test_removed_outliers_do_not_count():
    data = rows()
    result = summary(data)
    assert (result.tokens, result.outliers) == (400, 8)
    np.testing.assert_allclose(result.moments.mean, data[8:].mean(0), rtol=1e-12)
    np.testing.assert_allclose(result.moments.covariance, np.cov(data[8:], rowvar=False), rtol=1e-12)
    # alpha is taken before removal (eq. 2), so the mean norm has the outliers in it.
    assert result.mean_norm == pytest.approx(float(data.norm(dim=1).mean()), rel=1e-12)
    assert result.mean_norm_inliers == pytest.approx(float(data[8:].norm(dim=1).mean()), rel=1e-12)


def test_replaced_outliers_become_the_median_of_all_rows():
    data = rows()
    replaced = data.clone()
    replaced[:8] = data.median(0).values
    result = summary(data).reference_moments
    np.testing.assert_allclose(result.mean, replaced.mean(0), rtol=1e-12)
    np.testing.assert_allclose(result.covariance, np.cov(replaced, rowvar=False), rtol=1e-12)


def test_without_outliers_both_moments_agree():
    result = summary(torch.nn.functional.normalize(rows()) * torch.linspace(1, 2, 400)[:, None])
    assert result.outliers == 0
    assert torch.equal(result.moments.covariance, result.reference_moments.covariance)


@given(st.lists(st.integers(0, 400), max_size=6))
def test_batching_changes_nothing(cuts):
    data = rows()
    batches = np.split(data, sorted(cuts))
    whole, split = summary(data), summary(*map(torch.as_tensor, batches))
    assert torch.equal(whole.moments.covariance, split.moments.covariance)
    assert whole.outliers == split.outliers


def test_outlier_rule_takes_the_lower_median_and_n_minus_1():
    # Median 1 (the lower of 1 and 9), std 4.36 with n - 1: 15 is more than 3 of them away from 1, while
    # from the upper median 9, or the mean of both, it is not.
    norms = torch.tensor([1.0] * 10 + [9.0] * 9 + [15.0], dtype=torch.float64)
    assert outlier_mask(norms).tolist() == [False] * 19 + [True]


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "at least 2 rows, got 0"),
        ([torch.ones(1, 3)], "at least 2 rows, got 1"),
        ([torch.ones(3)], r"expected floating rows \[n, d\], got \[3\]"),
        ([torch.ones(2, 3, dtype=torch.long)], "torch.int64"),
        ([torch.ones(2, 3), torch.ones(2, 4)], "width 4 after width 3"),
    ],
)
def test_bad_rows_are_named(batches, message):
    with pytest.raises(MIRDataError, match=message):
        summary(*batches)
