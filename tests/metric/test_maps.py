"""The optimal maps, from which standard errors follow: by eigenvectors, by products, and of singular covariances."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mir_task.metric import root
from mir_task.metric.factors import maps_on_ranges
from mir_task.metric.root import by_eigenvectors, by_factors, by_polar_factor, root_and_maps
from tests.metric.test_root import Elsewhere, covariance, root_trace

DOUBLE = torch.float64
ROUTES = {"eigenvectors": by_eigenvectors, "products": by_polar_factor}


def singular(a, b, dtype):
    """The general route, given covariances of full rank."""
    return root.Root(by_factors(a, b, 1e-14), maps_on_ranges(a, b, 1e-14, dtype, rows=(10**6, 10**6)))


def scipys(cov_a, cov_b):
    """T = S_a^-1/2 (S_a^1/2 S_b S_a^1/2)^1/2 S_a^-1/2, in scipy."""
    half = scipy.linalg.sqrtm(cov_a.numpy()).real
    inverse = np.linalg.inv(half)
    return inverse @ scipy.linalg.sqrtm(half @ cov_b.numpy() @ half).real @ inverse


@pytest.mark.parametrize("route", [*ROUTES.values(), singular], ids=[*ROUTES, "factors"])
@pytest.mark.parametrize("d", [1, 5, 300])
def test_routes_give_the_optimal_maps_of_the_textbook(route, d):
    cov_a, cov_b = covariance(0, d), 2 * covariance(1, d)
    trace, maps = route(cov_a, cov_b, DOUBLE)
    assert trace == pytest.approx(root_trace(cov_a, cov_b), rel=1e-10)
    for found, expected in zip(maps, (scipys(cov_a, cov_b), scipys(cov_b, cov_a)), strict=True):
        assert np.abs(found.numpy() - expected).max() < 1e-7 * np.abs(expected).max()


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
@given(st.integers(2, 30), st.integers(0, 99), st.floats(0, 4))
@settings(max_examples=20, deadline=None)
def test_a_map_takes_one_gaussian_to_the_other_and_its_inverse_back(route, d, seed, decades):
    cov_a, cov_b = covariance(seed, d, decades=decades), covariance(seed + 1, d, decades=decades)
    forward, backward = route(cov_a, cov_b, DOUBLE).maps
    torch.testing.assert_close(forward @ cov_a @ forward, cov_b, rtol=0, atol=1e-9)
    torch.testing.assert_close(backward @ cov_b @ backward, cov_a, rtol=0, atol=1e-9)
    for each in (forward, backward):
        torch.testing.assert_close(each, each.T, rtol=1e-13, atol=1e-13 * float(each.abs().max()))


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_maps_turn_with_the_axes_and_scale_with_the_roots_of_the_covariances(route):
    cov_a, cov_b = covariance(0), covariance(1)
    turn = torch.linalg.qr(covariance(5))[0]
    forward, backward = route(cov_a, cov_b, DOUBLE).maps
    turned = route(turn @ cov_a @ turn.T, 9 * turn @ cov_b @ turn.T, DOUBLE).maps
    torch.testing.assert_close(turned.forward, 3 * turn @ forward @ turn.T, rtol=0, atol=1e-8)
    torch.testing.assert_close(turned.backward, turn @ backward @ turn.T / 3, rtol=0, atol=1e-8)


def directions(seed, d=40):
    change = torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)
    return change @ change.T / d


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_half_a_map_is_the_derivative_of_the_roots_trace(route, dtype):
    cov_a, cov_b, change = covariance(0), covariance(1), directions(7)
    maps = route(cov_a, cov_b, dtype).maps
    step = 1e-5
    by_a = (root_trace(cov_a + step * change, cov_b) - root_trace(cov_a - step * change, cov_b)) / (2 * step)
    by_b = (root_trace(cov_a, cov_b + step * change) - root_trace(cov_a, cov_b - step * change)) / (2 * step)
    assert float((maps.forward.double() * change).sum()) / 2 == pytest.approx(by_a, rel=1e-3)
    assert float((maps.backward.double() * change).sum()) / 2 == pytest.approx(by_b, rel=1e-3)


def test_of_a_singular_covariance_it_is_the_derivative_within_the_range():
    cov_a, cov_b = covariance(0, rank=15), covariance(1, rank=30)
    maps = maps_on_ranges(cov_a, cov_b, 1e-12, DOUBLE, rows=(1000, 1000))
    for index, cov in enumerate((cov_a, cov_b)):
        change = cov @ directions(3) @ cov  # stays in the range

        def at(step, index=index, change=change):
            both = [cov_a, cov_b]
            both[index] = both[index] + step * change
            return by_factors(*both, 1e-12)

        expected = (at(1e-4) - at(-1e-4)) / 2e-4
        assert float((maps[index] * change).sum()) / 2 == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("rows", [(16, 1000), (1000, 31)])
def test_a_covariance_of_few_rows_has_no_derivative(rows):
    cov_a, cov_b = covariance(0, rank=15), covariance(1, rank=30)
    assert maps_on_ranges(cov_a, cov_b, 1e-12, DOUBLE, rows=(17, 32)) is not None
    assert maps_on_ranges(cov_a, cov_b, 1e-12, DOUBLE, rows=rows) is None


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_the_faster_routes_decline_singular_covariances(route):
    for pair in ((covariance(0), covariance(1, rank=20)), (covariance(0, rank=20), covariance(1))):
        assert route(*pair, DOUBLE).maps is None


@pytest.mark.parametrize(
    ("kind", "expected"), [(torch.Tensor, "by_eigenvectors"), (Elsewhere, "by_polar_factor")]
)
def test_the_route_follows_from_the_device_alone(monkeypatch, kind, expected):
    taken = []
    for name in ("by_eigenvectors", "by_polar_factor"):
        route = getattr(root, name)
        monkeypatch.setattr(
            root, name, lambda *given, name=name, route=route: taken.append(name) or route(*given)
        )
    cov_a, cov_b = (covariance(seed).as_subclass(kind) for seed in (0, 1))
    trace, maps = root_and_maps(cov_a, cov_b, 1e-12, DOUBLE)
    assert trace == pytest.approx(root_trace(covariance(0), covariance(1)), rel=1e-10)
    assert maps is not None and taken == [expected]


def test_wide_matrices_eigenvectors_come_from_another_library_with_the_same_maps(monkeypatch):
    cov_a, cov_b = covariance(0, 70), covariance(1, 70)
    expected = by_eigenvectors(cov_a, cov_b, DOUBLE)
    monkeypatch.setattr(root, "LIBRARY_WIDTH", 10)
    found = by_eigenvectors(cov_a, cov_b, DOUBLE)
    assert found.trace == pytest.approx(expected.trace, rel=1e-13)
    for one, other in zip(found.maps, expected.maps, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9 * float(other.abs().max()))
