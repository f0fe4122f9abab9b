import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mir_task import MIRDataError
from mir_task.accumulate.outliers import OutlierRule
from mir_task.accumulate.statistics import ModalityStatistics
from mir_task.metric.released_script import Replaced

N, D = 6000, 12


def rows(n=N, d=D, seed=0, share=0.0, factor=100.0, at=None, dtype=torch.float64):
    """Rows of which a share is ``factor`` times as long, at random places or at the start or end."""
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(n, d, generator=generator, dtype=torch.float64) + 2
    count = int(share * n)
    places = {"first": torch.arange(count), "last": torch.arange(n - count, n)}.get(
        at, torch.randperm(n, generator=generator)[:count]
    )
    data[places] *= factor
    return data.to(dtype)


SCENARIOS = {
    "no outliers": {},
    "0.1% x100": {"share": 0.001},
    "1% x100": {"share": 0.01},
    "1% x100, another modality": {"share": 0.01, "seed": 1},
    "1% x10": {"share": 0.01, "factor": 10.0},
    "0.3% x1/100": {"share": 0.003, "factor": 0.01},
    "masking: 15% x100": {"share": 0.15},
    "extreme rows first": {"share": 0.01, "at": "first"},
    "extreme rows last": {"share": 0.01, "at": "last"},
}


def accumulate(batches, groups=1):
    """The summary, after a second pass where one is needed."""
    statistics = ModalityStatistics(groups)
    for index, batch in enumerate(batches):
        statistics.update(batch, index % groups)
    if statistics.needs_another_pass:
        statistics.restart()
        for index, batch in enumerate(batches):
            statistics.update(batch, index % groups)
    return statistics.summary()


def two_pass(data):
    """Inliers by the rule, from all rows at once, in numpy."""
    data = data.double().numpy()
    norms = np.linalg.norm(data, axis=1)
    median = np.sort(norms)[(len(norms) - 1) // 2]
    outliers = np.abs(norms - median) > 3 * norms.std(ddof=1)
    return data, outliers


def assert_equals_two_pass(result, data, rtol=1e-12):
    data, outliers = two_pass(data)
    assert (result.tokens, result.outliers) == (len(data), outliers.sum())
    inliers = data[~outliers]
    np.testing.assert_allclose(result.moments.mean, inliers.mean(0), rtol=rtol)
    covariance = np.cov(inliers, rowvar=False)
    assert np.abs(result.moments.covariance.numpy() - covariance).max() <= rtol * np.abs(covariance).max()
    replaced = np.where(outliers[:, None], np.sort(data, axis=0)[(len(data) - 1) // 2], data)
    reference = Replaced.of(result, result.replacements[0])
    mean = result.moments.mean + reference.share * reference.offset
    np.testing.assert_allclose(mean, replaced.mean(0), rtol=rtol)
    update = reference.weight * reference.offset.outer(reference.offset)
    difference = (reference.shrinkage * result.moments.covariance + update).numpy() - np.cov(
        replaced, rowvar=False
    )
    assert np.abs(difference).max() <= rtol * np.abs(np.cov(replaced, rowvar=False)).max()


@pytest.fixture
def little_room(monkeypatch):
    """Hold back 100 rows of large norms and 25 of small ones only, so that thousands are too many."""
    monkeypatch.setattr("mir_task.accumulate.waiting.MIN_WAITING", 200)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("batch", [97, N])
def test_one_pass_equals_two(scenario, batch, little_room):
    data = rows(**SCENARIOS[scenario])
    result = accumulate(data.split(batch))
    assert_equals_two_pass(result, data)
    assert result.passes == (2 if scenario.startswith("masking") else 1)


def test_too_many_outliers_are_detected_not_assumed(little_room):
    statistics = ModalityStatistics()
    for batch in rows(share=0.15).split(97):
        statistics.update(batch)
    assert statistics.needs_another_pass
    with pytest.raises(MIRDataError, match="must be seen once more"):
        statistics.summary()
    statistics.restart()
    with pytest.raises(MIRDataError, match="must be seen once more"):
        statistics.summary()


def test_second_pass_over_other_rows_is_refused(little_room):
    statistics = ModalityStatistics()
    for batch in rows(share=0.15).split(97):
        statistics.update(batch)
    statistics.restart()
    with pytest.raises(MIRDataError, match="in the second pass other rows came"):
        statistics.update(rows(share=0.15, seed=5)[:97])


@given(st.lists(st.integers(0, N), max_size=6), st.integers(1, 4))
def test_batches_and_groups_change_nothing(cuts, groups):
    data = rows(share=0.01)
    batches = [torch.as_tensor(part) for part in np.split(data, sorted(cuts))]
    assert_equals_two_pass(accumulate(batches, groups), data, rtol=1e-11)


def test_groups_are_kept_apart(little_room):
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


def test_memory_does_not_grow_with_the_number_of_rows(little_room):
    statistics = ModalityStatistics()
    held = []
    for seed in range(20):
        for batch in rows(n=1000, seed=seed).split(97):
            statistics.update(batch)
        held.append(len(statistics._held))
    assert max(held) <= 200 * 13 // 8


def test_outlier_rule_takes_the_lower_median_and_n_minus_1():
    # Median 1 (the lower of 1 and 9), std 4.36 with n - 1: 15 is more than 3 of them away from 1, while
    # from the upper median 9, or the mean of both, it is not.
    norms = torch.tensor([1.0] * 10 + [9.0] * 9 + [15.0], dtype=torch.float64)
    assert OutlierRule.of(norms).mask(norms).tolist() == [False] * 19 + [True]


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
        _ = accumulate(batches).moments
