import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mir_task import MIRDataError, frechet_distance
from mir_task.metric.frechet import frechet_terms
from tests import oracle

gaussians = st.tuples(st.integers(1, 12), st.integers(0, 2**32 - 1))


def gaussian(d, seed, rows=None):
    """Mean and covariance of random rows with a spread spectrum; fewer rows than d give a singular one."""
    generator = np.random.default_rng(seed)
    data = generator.normal(size=(rows or 3 * d + 2, d)) * np.logspace(0, -2, d) + generator.normal(size=d)
    return torch.from_numpy(data.mean(0)), torch.from_numpy(np.cov(data, rowvar=False).reshape(d, d))


@given(gaussians)
def test_identical_is_zero(case):
    a = gaussian(*case)
    assert frechet_distance(*a, *a) == pytest.approx(0, abs=1e-12)


@given(gaussians)
def test_symmetric(case):
    d, seed = case
    a, b = gaussian(d, seed), gaussian(d, seed + 1)
    assert frechet_distance(*a, *b) == pytest.approx(frechet_distance(*b, *a), rel=1e-12)


@given(gaussians)
def test_invariant_to_joint_rotation(case):
    d, seed = case
    rotation = torch.linalg.qr(torch.from_numpy(np.random.default_rng(seed).normal(size=(d, d))))[0]
    (mean_a, cov_a), (mean_b, cov_b) = gaussian(d, seed), gaussian(d, seed + 1)
    rotated = frechet_distance(
        rotation @ mean_a, rotation @ cov_a @ rotation.T, rotation @ mean_b, rotation @ cov_b @ rotation.T
    )
    assert rotated == pytest.approx(frechet_distance(mean_a, cov_a, mean_b, cov_b), rel=1e-9)


@given(gaussians)
def test_commuting_covariances_have_a_closed_form(case):
    d, seed = case
    generator = np.random.default_rng(seed)
    basis = np.linalg.qr(generator.normal(size=(d, d)))[0]
    spectrum_a, spectrum_b = generator.uniform(0, 5, size=(2, d))
    mean = generator.normal(size=d)
    distance = frechet_distance(
        *(
            torch.from_numpy(value)
            for value in (
                mean,
                basis * spectrum_a @ basis.T,
                np.zeros(d),
                basis * spectrum_b @ basis.T,
            )
        )
    )
    expected = (mean**2).sum() + ((np.sqrt(spectrum_a) - np.sqrt(spectrum_b)) ** 2).sum()
    assert distance == pytest.approx(expected, rel=1e-9)


@given(gaussians, st.floats(0, 10), st.floats(0, 10))
def test_monotone_in_a_mean_shift(case, near, far):
    (mean, cov), (_, other) = gaussian(*case), gaussian(case[0], case[1] + 1)
    near, far = sorted((near, far))
    assert frechet_distance(mean + near, cov, mean, other) <= frechet_distance(mean + far, cov, mean, other)


@settings(max_examples=30)
@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_agrees_with_scipy_sqrtm(d, seed):
    a, b = gaussian(d, seed), gaussian(d, seed + 1)
    expected = oracle.frechet(*(value.numpy() for value in (*a, *b)))
    assert frechet_distance(*a, *b) == pytest.approx(expected, rel=1e-9)


def test_singular_covariances_need_no_jitter():
    # Ranks 4 and 7 in 30 dimensions, where the root is known: the covariances act on subspaces.
    mean = torch.zeros(30, dtype=torch.float64)
    cov_a, cov_b = torch.zeros(30, 30, dtype=torch.float64), torch.zeros(30, 30, dtype=torch.float64)
    cov_a[range(4), range(4)] = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    cov_b[range(2, 9), range(2, 9)] = 5.0
    expected = 10 + 35 - 2 * (15**0.5 + 20**0.5)
    assert frechet_distance(mean, cov_a, mean, cov_b) == pytest.approx(expected, rel=1e-14)
    rotation = torch.linalg.qr(torch.randn(30, 30, generator=torch.Generator().manual_seed(0)).double())[0]
    rotated = (rotation @ cov_a @ rotation.T, mean, rotation @ cov_b @ rotation.T)
    assert frechet_distance(mean, *rotated) == pytest.approx(expected, rel=1e-12)


def test_terms_are_apart():
    a, b = gaussian(6, 0), gaussian(6, 1)
    terms = frechet_terms(*a, *b)
    assert terms.mean_term == pytest.approx(float((a[0] - b[0]).square().sum()))
    assert sum(terms) == frechet_distance(*a, *b)


def test_low_precision_inputs_are_computed_in_float64():
    a, b = ([value.float() for value in gaussian(8, seed)] for seed in (0, 1))
    assert frechet_distance(*a, *b) == frechet_distance(*(value.double() for value in (*a, *b)))


MEAN, COV = torch.zeros(3), torch.eye(3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((MEAN, COV, torch.zeros(4), COV), r"expected means \[d\].*mean_b \[4\]"),
        ((MEAN, COV[:2], MEAN, COV), r"cov_a \[2, 3\]"),
        ((MEAN, COV, MEAN, COV.long()), "cov_b must be of a floating dtype, got torch.int64"),
        ((MEAN * float("nan"), COV, MEAN, COV), "mean_a holds NaN or Inf"),
        ((MEAN, COV / 0, MEAN, COV), "cov_a holds NaN or Inf"),
        ((MEAN, COV, MEAN, torch.ones(3, 3).triu()), "cov_b is not symmetric"),
        ((MEAN, COV, MEAN, torch.diag(torch.tensor([1.0, 1.0, -0.1]))), "cov_b is not positive semidefinite"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(MIRDataError, match=message):
        frechet_distance(*arguments)


@pytest.mark.parametrize("name", ["cov_a", "cov_b"])
@pytest.mark.parametrize("negative", [1, 5], ids=["one negative direction", "negative definite"])
def test_a_matrix_that_is_no_covariance_is_named(name, negative):
    values = torch.ones(5, dtype=torch.float64)
    values[:negative] = -1
    covariances = {"cov_a": torch.eye(5, dtype=torch.float64), "cov_b": torch.eye(5, dtype=torch.float64)}
    covariances[name] = values.diag()
    zero = torch.zeros(5, dtype=torch.float64)
    with pytest.raises(MIRDataError, match=f"{name} is not positive semidefinite"):
        frechet_distance(zero, covariances["cov_a"], zero, covariances["cov_b"])
