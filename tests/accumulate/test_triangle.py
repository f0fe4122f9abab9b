"""Symmetric matrices as triangles, and the groups' moments that they hold in float32."""

import numpy as np
import pytest
import torch

from mir_task.accumulate import inliers
from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.moments import RunningMoments, add_rows, merged
from mir_task.accumulate.outliers import OutlierRule
from mir_task.accumulate.statistics import FirstPass, Settled
from mir_task.accumulate.triangle import Triangle
from tests.accumulate.planted import accumulate, assert_equals_two_pass, rows

WIDTHS = [1, 127, 128, 129, 300]


def symmetric(d, seed=0):
    matrix = torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return matrix + matrix.T


def triangle_of(matrix, dtype=torch.float64):
    triangle = Triangle.zeros(len(matrix), dtype, matrix.device)
    for block, values in triangle.blocks():
        values += matrix[block, : block.stop]
    return triangle


@pytest.mark.parametrize("d", WIDTHS)
def test_a_triangle_is_the_whole_matrix(d):
    assert torch.equal(triangle_of(symmetric(d)).dense(), symmetric(d))


@pytest.mark.parametrize("d", WIDTHS)
def test_inner_product_is_that_of_the_whole_matrices(d):
    expected = float((symmetric(d) * symmetric(d, 1)).sum())
    assert triangle_of(symmetric(d)).inner(symmetric(d, 1)) == pytest.approx(expected, rel=1e-12)
    single = triangle_of(symmetric(d), torch.float32).inner(symmetric(d, 1).float())
    scale = float((symmetric(d) * symmetric(d, 1)).abs().sum())
    assert single == pytest.approx(expected, abs=1e-6 * scale)


def test_a_wide_triangle_takes_little_more_than_half():
    assert 4096 * 4097 / 2 < Triangle.size(4096) < 1.04 * 4096 * 4097 / 2


def test_rows_added_to_several_moments_at_once_are_added_to_each():
    data, centre = rows(n=700), torch.full((12,), 2.0, dtype=torch.float64)
    whole, first, second = (RunningMoments(centre) for _ in range(3))
    add_rows(data[:300], torch.float64, [whole, first])
    add_rows(data[300:], torch.float64, [whole, second])
    for moments, own in ((whole, data), (first, data[:300]), (second, data[300:])):
        finished = moments.finish()
        np.testing.assert_allclose(finished.mean, own.mean(0), rtol=1e-12)
        np.testing.assert_allclose(finished.covariance, np.cov(own, rowvar=False), rtol=1e-11, atol=1e-12)


@pytest.fixture
def single(monkeypatch):
    """Groups in float32 at any width, as those of wide layers are."""
    monkeypatch.setattr(inliers, "group_dtype", lambda _: torch.float32)


def test_in_float32_groups_have_seven_digits_and_the_whole_has_them_all(single):
    # With a mean of a thousand deviations, which sums about zero would cancel all digits against.
    data = rows(n=5000) + 1000
    result = accumulate(data.split(97), groups=5, buffers=BufferSizes())
    assert_equals_two_pass(result, data, rtol=1e-9)
    assert all(group._scatter.values.dtype == torch.float32 for group in result.inliers)
    assert result.moments.epsilon == torch.finfo(torch.float64).eps
    kept = ~torch.cat(result.outlier_masks)
    by_group = torch.cat([torch.cat(data.split(97)[group::5]) for group in range(5)])[kept]
    covariance = np.cov(by_group, rowvar=False)
    together = merged(result.inliers).finish()
    assert together.epsilon == torch.finfo(torch.float32).eps
    assert np.abs(together.covariance.numpy() - covariance).max() < 1e-6 * np.abs(covariance).max()


def test_in_float32_groups_dealt_to_processes_are_those_of_one(single):
    batches = rows(n=4000).split(100)
    alone = accumulate(batches, groups=4, buffers=BufferSizes())
    firsts = [FirstPass(4), FirstPass(4)]
    for index, batch in enumerate(batches):
        firsts[index >= 13].update(batch, index % 4)
    rule = OutlierRule.of(torch.cat([norms for first in firsts for norms in first.norms]))
    settled = [first.close(rule) for first in firsts]
    settled[0].merge(Settled.from_state(settled[1].state(), BufferSizes(), torch.device("cpu")))
    dealt = settled[0].summary()
    for group in range(4):
        expected = alone.inliers[group].finish().covariance
        assert dealt.inliers[group]._scatter.values.dtype == torch.float32
        assert (dealt.inliers[group].finish().covariance - expected).abs().max() < 1e-6 * expected.abs().max()
    np.testing.assert_allclose(dealt.moments.covariance, alone.moments.covariance, rtol=1e-10)


def test_round_off_in_blocks_on_the_diagonal_leaves_no_trace_of_asymmetry():
    d = 300
    values = torch.randn(Triangle.size(d), generator=torch.Generator().manual_seed(0))
    triangle = Triangle(d, values)
    dense = triangle.dense()
    assert torch.equal(dense, dense.T)
    for own, block in triangle.blocks():
        assert torch.equal(dense[own, : own.stop].tril(own.start), block.double().tril(own.start))


def test_fewer_rows_than_dimensions_leave_the_null_space_empty(monkeypatch):
    monkeypatch.setattr("mir_task.accumulate.inliers.FLOAT64_WIDTH", 8)
    statistics = FirstPass()
    statistics.update(torch.randn(20, 32, generator=torch.Generator().manual_seed(0)) + 5)
    values = torch.linalg.eigvalsh(statistics.close().summary().moments.covariance)
    assert float(values[:13].abs().max()) < 1e-13 * float(values[-1])
    assert float(values[13]) > 1e-4 * float(values[-1])
