"""Distances at three digits, and the sums of singular values that they come from."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mir_task import MIRDataError
from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.moments import Moments
from mir_task.accumulate.statistics import FirstPass
from mir_task.bench.features import hidden_states
from mir_task.metric import estimate, uncertainty
from mir_task.metric.band import sum_of_singular_values
from mir_task.metric.estimate import Factored
from mir_task.metric.frechet import terms_between
from mir_task.metric.uncertainty import half_distances
from tests import oracle
from tests.metric.test_root import Elsewhere


def matrix(d, seed, decades=0.0, rank=None):
    generator = torch.Generator().manual_seed(seed)
    left, right = (
        torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))[0] for _ in range(2)
    )
    values = torch.logspace(0, -decades, d, dtype=torch.float64)
    values[rank or d :] = 0
    return left * values @ right, float(values.sum())


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 200), st.integers(0, 99), st.floats(0, 6), st.sampled_from([torch.float32, torch.float64])
)
def test_sum_of_singular_values_of_any_size_and_spectrum(d, seed, decades, dtype):
    given, expected = matrix(d, seed, decades)
    assert sum_of_singular_values(given.to(dtype)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("rank", [1, 30, 64, 90])
@pytest.mark.parametrize("decades", [0.0, 14.0])
def test_singular_matrices_cost_two_digits(rank, decades):
    given, expected = matrix(130, 0, decades, rank)
    for dtype in (torch.float32, torch.float64):
        assert sum_of_singular_values(given.to(dtype)) == pytest.approx(expected, rel=1e-5)


def test_one_value_may_outweigh_all_others():
    # A massive dimension: what is asked of the sum is the small values too.
    given, _ = matrix(150, 0)
    given[0] *= 1000
    values = np.linalg.svd(given.numpy(), compute_uv=False)
    assert sum_of_singular_values(given.float()) == pytest.approx(values.sum(), rel=1e-6)


def test_nothing_has_no_singular_values():
    assert sum_of_singular_values(torch.zeros(70, 70)) == 0


def test_zero_columns_need_no_reflection():
    given = torch.zeros(100, 100, dtype=torch.float64)
    given[3, 4], given[99, 0] = 3.0, -4.0
    assert sum_of_singular_values(given) == pytest.approx(7, rel=1e-5)


@pytest.fixture(params=[torch.Tensor, Elsewhere], ids=["cpu", "elsewhere"])
def moments(request, monkeypatch):
    """Moments of rows on the CPU, where sums come from a band, and elsewhere, where they come from products alone."""
    if request.param is Elsewhere:
        monkeypatch.delattr(estimate, "sum_of_singular_values")
    else:
        monkeypatch.delattr(estimate, "nuclear_norm")

    def moments(rows, dtype=torch.float64):
        rows = rows.to(dtype)
        covariance = torch.cov(rows.T).double().as_subclass(request.param)
        return Moments(rows.double().mean(0), covariance, torch.finfo(dtype).eps)

    return moments


def test_an_estimated_distance_is_near_the_exact_one(moments):
    a, b = hidden_states(900, 100, 1), hidden_states(700, 100, 2)
    expected = oracle.frechet(
        *(value for rows in (a, b) for value in (rows.numpy().mean(0), np.cov(rows, rowvar=False)))
    )
    first, second = Factored.of(moments(a)), Factored.of(moments(b))
    assert first.distance(second) == pytest.approx(expected, rel=1e-5)
    assert first.distance(second) == pytest.approx(second.distance(first), rel=1e-6)
    assert first.distance(first) == pytest.approx(0, abs=1e-5 * first.trace)


@pytest.mark.parametrize("rows", [(900, 60), (60, 50)], ids=["one singular", "both singular"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_singular_covariances_are_estimated_too(rows, dtype, moments):
    a, b = (moments(hidden_states(n, 100, seed), dtype) for seed, n in enumerate(rows))
    expected = sum(terms_between(*(Moments(e.mean, torch.Tensor(e.covariance), e.epsilon) for e in (a, b))))
    assert Factored.of(a).distance(Factored.of(b)) == pytest.approx(expected, rel=0.01)


def test_rows_that_are_all_alike_have_a_factor():
    flat = Moments(torch.zeros(5), torch.zeros(5, 5, dtype=torch.float64))
    eye = Moments(torch.zeros(5), torch.eye(5, dtype=torch.float64))
    assert Factored.of(flat).distance(Factored.of(eye)) == pytest.approx(5)


def test_a_covariance_that_is_none_is_named():
    broken = Moments(torch.zeros(3), torch.full((3, 3), float("nan"), dtype=torch.float64))
    with pytest.raises(MIRDataError, match="half of the pairs holds NaN or Inf"):
        Factored.of(broken)


# Noise floors: three digits of the exact ones, whatever the rows


def summaries(vision, text, groups=10):
    result = []
    for pairs in (vision, text):
        first = FirstPass(groups)
        for index, rows in enumerate(pairs):
            first.update(rows, index * groups // len(pairs))
        result.append(first.close().summary())
    return Modalities(*result)


def pairs(count, tokens, d, seed, correlation=0.0, offset=1.0):
    """Rows of each pair, in float32, sharing a part of their variance."""
    own = hidden_states(count * tokens, d, seed, torch.float32, offset)
    shared = hidden_states(count, d, seed, torch.float32, offset).repeat_interleave(tokens, 0)
    mixed = (1 - correlation) ** 0.5 * own + correlation**0.5 * shared
    return list(mixed.split(tokens))


DESIGNS = {
    "full rank": (pairs(40, 50, 300, 1), pairs(40, 70, 300, 2)),
    "correlated tokens": (pairs(40, 50, 300, 1, 0.3), pairs(40, 70, 300, 2, 0.3)),
    "merged modalities": (pairs(40, 50, 300, 1, 0.3), pairs(40, 70, 300, 1, 0.2)),
    "halves of fewer rows than dimensions": (pairs(10, 50, 300, 1), pairs(10, 80, 300, 2)),
    "fewer rows than dimensions": (pairs(10, 20, 300, 1), pairs(10, 25, 300, 2)),
    "one dimension of a thousand times the deviation": tuple(
        [rows * torch.tensor([1000.0] + [1.0] * 299) for rows in pairs(40, 50, 300, seed)] for seed in (1, 2)
    ),
}


@pytest.mark.parametrize("kept_in", [torch.float64, torch.float32])
@pytest.mark.parametrize("design", DESIGNS)
def test_floors_and_bias_are_within_a_hundredth(design, kept_in, monkeypatch):
    monkeypatch.setattr("mir_task.accumulate.inliers.group_dtype", lambda _: kept_in)
    modalities = summaries(*DESIGNS[design])
    found = half_distances(modalities)
    monkeypatch.setattr("mir_task.accumulate.inliers.group_dtype", lambda _: torch.float64)
    monkeypatch.setattr(uncertainty, "LINEARISE_ABOVE", 300)
    exact = half_distances(summaries(*DESIGNS[design]))
    distance = sum(terms_between(modalities.vision.moments, modalities.text.moments))
    assert found != exact
    assert found.vision == pytest.approx(exact.vision, rel=0.01)
    assert found.text == pytest.approx(exact.text, rel=0.01)
    # Of the bias, the difference from the distance, not only of the value.
    assert found.across - distance == pytest.approx(exact.across - distance, rel=0.01)
