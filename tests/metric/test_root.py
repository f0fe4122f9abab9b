import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from mir_task.metric import root
from mir_task.metric.polar import _polynomials, least_singular_value, nuclear_norm
from mir_task.metric.root import by_eigenvalues, by_factors, by_polar


def covariance(seed, d=40, rank=None, decades=3.0):
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))[0]
    spectrum = torch.logspace(0, -decades, d, dtype=torch.float64)
    spectrum[rank or d :] = 0
    return basis * spectrum @ basis.T


def root_trace(cov_a, cov_b):
    """From square roots of both, in numpy."""
    roots = []
    for cov in (cov_a, cov_b):
        values, basis = np.linalg.eigh(cov.numpy())
        roots.append(basis * np.sqrt(values.clip(0)))
    return np.linalg.svd(roots[0].T @ roots[1], compute_uv=False).sum()


@pytest.mark.parametrize("route", [by_eigenvalues, by_polar, lambda a, b: by_factors(a, b, 1e-12)])
@pytest.mark.parametrize("d", [1, 5, 300])
def test_routes_agree(route, d):
    cov_a, cov_b = covariance(0, d), covariance(1, d)
    assert route(cov_a, cov_b) == pytest.approx(root_trace(cov_a, cov_b), rel=1e-10)


@pytest.mark.parametrize("route", [by_eigenvalues, by_polar])
def test_routes_decline_what_they_cannot_do(route):
    assert route(covariance(0), covariance(1, rank=20)) is None


def test_a_covariance_of_round_off_is_zero():
    # As identical images give it: no variance, but for a last digit of either sign.
    nothing = torch.diag(torch.tensor([-4e-19, 2e-19, 0.0], dtype=torch.float64))
    assert by_factors(nothing, torch.eye(3, dtype=torch.float64), 1e-12) == pytest.approx(0, abs=1e-8)
    assert by_factors(torch.eye(3, dtype=torch.float64), nothing, 1e-12) == pytest.approx(0, abs=1e-8)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99), st.floats(0, 14))
def test_nuclear_norm_is_a_lower_bound_within_its_accuracy(m, n, seed, decades):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(m, n, generator=generator, dtype=torch.float64)
    matrix *= torch.logspace(0, -decades, n, dtype=torch.float64)
    exact = float(torch.linalg.svdvals(matrix).sum())
    for accuracy in (1e-3, 1e-11):
        norm = nuclear_norm(matrix, accuracy * exact)
        assert (1 - accuracy) * exact - 1e-13 * exact <= norm <= exact * (1 + 1e-13)
    assert nuclear_norm(0 * matrix, 1e-9) == 0


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 30), st.integers(0, 99), st.floats(0, 12), st.sampled_from([torch.float32, torch.float64])
)
def test_the_smallest_singular_value_is_bounded_from_below(d, seed, decades, dtype):
    factors = [torch.linalg.cholesky(covariance(seed + i, d, decades=decades)).to(dtype) for i in (0, 1)]
    smallest = float(torch.linalg.svdvals(factors[0].double().T @ factors[1].double())[-1])
    bound = least_singular_value(*factors)
    assert smallest / d**0.5 * 0.99 < bound < smallest * 1.01


@pytest.mark.parametrize("decades", [0.0, 6.0, 13.0])
def test_a_bound_of_the_smallest_singular_value_changes_no_digit_and_saves_products(decades):
    product = torch.linalg.cholesky(covariance(0, decades=decades)).T
    product = product @ torch.linalg.cholesky(covariance(1, decades=decades))
    values = torch.linalg.svdvals(product)
    steps, sums = [], []
    for smallest in (0.0, float(values[-1])):
        with FlopCounterMode(display=False) as counter:
            sums.append(nuclear_norm(product, 1e-15, smallest))
        steps.append(counter.get_total_flops())
    assert sums == pytest.approx([float(values.sum())] * 2, rel=1e-13)
    assert steps[1] < steps[0]


def test_a_matrix_without_an_inverse_has_no_bound():
    singular = torch.diag(torch.tensor([1.0, 0.0]))
    assert least_singular_value(singular, torch.eye(2)) == least_singular_value(torch.eye(2), singular) == 0


@pytest.mark.parametrize("lowest", [0.5, 1e-3, 1e-8, 1e-15, 1e-20])
def test_polynomials_take_the_interval_to_one(lowest):
    values = np.geomspace(lowest, 1, 100_001)
    for a, b, c in _polynomials(lowest):
        values = a * values + b * values**3 + c * values**5
    assert np.abs(values - 1).max() < 1e-14


class Elsewhere(torch.Tensor):
    """A tensor on a device that is none: its numbers are the CPU's, under another name."""

    @property
    def device(self):
        return torch.device("cuda:0")


@pytest.mark.parametrize(
    ("kind", "expected"), [(torch.Tensor, by_eigenvalues), (Elsewhere, by_polar)], ids=["cpu", "elsewhere"]
)
def test_the_route_follows_from_the_device_alone(monkeypatch, kind, expected):
    taken = []
    for route in (by_eigenvalues, by_polar):
        monkeypatch.setattr(
            root, route.__name__, lambda a, b, route=route: taken.append(route) or route(a, b)
        )
    cov_a, cov_b = (covariance(seed).as_subclass(kind) for seed in (0, 1))
    for _ in range(3):
        trace = root.root_trace(cov_a, cov_b, 1e-12)
        assert trace == pytest.approx(root_trace(covariance(0), covariance(1)), rel=1e-10)
    assert taken == [expected] * 3


@pytest.mark.parametrize("kind", [torch.Tensor, Elsewhere], ids=["cpu", "elsewhere"])
def test_a_singular_covariance_takes_factors_everywhere(kind):
    cov_a, cov_b = covariance(0).as_subclass(kind), covariance(1, rank=20).as_subclass(kind)
    expected = root_trace(covariance(0), covariance(1, rank=20))
    assert root.root_trace(cov_a, cov_b, 1e-12) == pytest.approx(expected, rel=1e-7)
