import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.moments import RunningMoments, merged
from mir_task.accumulate.reservoir import RowReservoir


def rows(n=300, d=5, seed=0, dtype=torch.float64, offset=0.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype) + offset


def running(*batches, centre=None):
    moments = RunningMoments(
        torch.zeros(batches[0].shape[1], dtype=torch.float64) if centre is None else centre
    )
    for batch in batches:
        moments.update(batch)
    return moments


def assert_moments(moments, data, rtol=1e-12):
    np.testing.assert_allclose(moments.mean, data.double().mean(0), rtol=rtol, atol=rtol)
    np.testing.assert_allclose(moments.covariance, np.cov(data.double(), rowvar=False), rtol=rtol, atol=rtol)


@given(st.lists(st.integers(0, 300), max_size=5), st.integers(1, 9))
def test_any_batches_give_the_moments_of_all_rows(cuts, d):
    data = rows(d=d)
    moments = running(*(torch.as_tensor(part) for part in np.split(data, sorted(cuts)))).finish()
    np.testing.assert_allclose(
        moments.covariance, np.cov(data, rowvar=False).reshape(d, d), rtol=1e-11, atol=1e-12
    )


@given(st.floats(-100, 100))
def test_merge_of_differently_centred_parts(centre):
    first, second = rows(seed=1), rows(n=70, seed=2, offset=3)
    one, other = running(first), running(second, centre=torch.full((5,), centre, dtype=torch.float64))
    assert_moments(merged([one, other]).finish(), torch.cat([first, second]), rtol=1e-9)
    assert_moments(one.finish(), first)  # left as it was


def test_without_takes_rows_out_again():
    first, second = rows(seed=1), rows(n=70, seed=2)
    part = running(second)
    assert_moments(merged([running(first), part]).without(part).finish(), first, rtol=1e-11)


@given(st.integers(1, 600))
@settings(max_examples=10, deadline=None)
def test_quadratic_form_is_that_of_the_rows(d):
    data, matrix = rows(n=20, d=d), rows(n=d, d=d, seed=1)
    matrix = matrix + matrix.T
    centre = torch.ones(d, dtype=torch.float64)
    expected = np.einsum("ni,ij,nj->", data - 1, matrix, data - 1)
    assert running(data, centre=centre).quadratic(matrix) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("d", [1, 255, 256, 257, 700])
def test_any_number_of_blocks(d):
    data = rows(n=50, d=d, offset=1.0)
    assert_moments(running(data[:20], data[20:]).finish(), data, rtol=1e-10)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_mean_far_from_zero_costs_no_digits(dtype, rtol, d=40):
    # 1000 deviations away: naive float32 sums would leave no correct digit.
    data = rows(n=3 * d, d=d, dtype=torch.float32, offset=1000.0)
    moments = RunningMoments(data[:200].double().mean(0))
    for batch in data.split(200):
        moments.update(batch, dtype)
    moments = moments.finish()
    expected = np.cov(data.double(), rowvar=False)
    assert np.abs(moments.covariance.numpy() - expected).max() < rtol * np.abs(expected).max()
    assert moments.epsilon == torch.finfo(dtype).eps


# The sample for the median


def keys(n, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(n))


SMALLEST = BufferSizes(sample_bytes=0)
"""A sample of 1024 rows, the fewest there are."""


def sample(data, size=999, buffers=None, seed=0):
    reservoir = RowReservoir(buffers)
    for batch, batch_keys in zip(data.split(size), keys(len(data), seed).split(size), strict=True):
        reservoir.update(batch, batch_keys)
    return reservoir


def test_reservoir_keeps_everything_that_fits():
    data = rows(n=250)
    reservoir = sample(data, 60)
    assert reservoir.exact
    assert torch.equal(reservoir.median(), data.median(0).values)


def test_reservoir_samples_uniformly_beyond_its_budget():
    reservoir = sample(torch.arange(20_000, dtype=torch.float64)[:, None], buffers=SMALLEST)
    assert not reservoir.exact
    numbers = reservoir._sample()[:, 0]
    assert len(numbers) == len(set(numbers.tolist())) == 1024
    # 1024 uniform numbers: quarters of the range hold 256 +- 14 each.
    counts = torch.histc(numbers, bins=4, min=0, max=20_000)
    assert counts.min() > 200 and counts.max() < 312
    first, second = reservoir.halves()
    assert 0 < abs(float(first - second)) < 3_000


def test_reservoir_does_not_depend_on_batches_order_or_dealing():
    data, order = rows(n=3000), torch.randperm(3000, generator=torch.Generator().manual_seed(0))
    whole = sample(data, buffers=SMALLEST)
    backwards = RowReservoir(SMALLEST)
    backwards.update(data[order], keys(3000)[order])
    dealt = [RowReservoir(SMALLEST) for _ in range(3)]
    for index, reservoir in enumerate(dealt[:2]):  # one has nothing
        reservoir.update(data[index::2], keys(3000)[index::2])
    dealt[2].merge(dealt[0])
    dealt[2].merge(dealt[1])
    for other in (sample(data, 7, SMALLEST), sample(data, 3000, SMALLEST), backwards, dealt[2]):
        assert not other.exact
        assert torch.equal(other._sample().sort(0).values, whole._sample().sort(0).values)
        assert torch.equal(torch.stack(other.halves()), torch.stack(whole.halves()))
