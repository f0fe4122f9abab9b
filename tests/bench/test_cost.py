"""What the counts say of statistics and distances is what the code does, by torch's own counter."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from mir_task.accumulate import inliers
from mir_task.accumulate.moments import Moments
from mir_task.accumulate.statistics import FirstPass
from mir_task.accumulate.triangle import Triangle
from mir_task.bench import cost, halves
from mir_task.bench.llava import Shape
from mir_task.bench.work import Work
from mir_task.metric import products
from mir_task.metric.estimate import Factored
from mir_task.metric.polar import least_singular_value
from mir_task.metric.root import by_eigenvectors, by_polar, by_polar_factor
from tests.metric.test_root import Elsewhere

ATEN = torch.ops.aten


def work_of(run):
    """Operations of a call by precision. Torch counts products; decompositions are counted by the textbook."""
    counts = Counter()

    def by(flops):
        def formula(*args, out_val=None, **_):
            tensors = [each for each in args if isinstance(each, torch.Tensor)]
            counts[str(tensors[0].dtype).removeprefix("torch.")] += flops(*(each.shape for each in tensors))
            return 0

        formula._get_raw = True
        return formula

    def multiplied(a, b):
        return 2 * a[0] * a[1] * b[1]

    formulas = {
        ATEN.mm: by(multiplied),
        ATEN.addmm: by(lambda _, a, b: multiplied(a, b)),
        ATEN.linalg_cholesky_ex: by(lambda a: a[0] ** 3 / 3),
        ATEN.linalg_solve_triangular: by(lambda a, b: a[0] ** 2 * b[1]),
        ATEN._linalg_eigh: by(lambda a: 9 * a[0] ** 3),
    }
    with FlopCounterMode(display=False, custom_mapping=formulas):
        run()
    return counts


class Touched(TorchDispatchMode):
    """Adds up the bytes that operators read and write; views and empty tensors are left out."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        written = [each for each in tree_leaves(result) if isinstance(each, torch.Tensor)]
        read = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        if func in (ATEN.index.Tensor, ATEN.index_select.default):  # no more is read than comes out
            read = written
        elif func is ATEN.copy_.default:
            read = read[1:]
        if not func.is_view and "empty" not in str(func):
            self.bytes += sum(each.numel() * each.itemsize for each in [*read, *written])
        return result


def covariance(d, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4 * d, d, generator=generator, dtype=torch.float64).T.cov()


def lowest(cov_a, cov_b, accuracy):
    """The bound that the polar iteration starts from."""
    lower_a, lower_b = map(torch.linalg.cholesky, (cov_a, cov_b))
    below = accuracy * float(cov_a.trace() + cov_b.trace()) / len(cov_a)
    return max(below, least_singular_value(lower_a, lower_b)) / float(
        torch.linalg.matrix_norm(lower_a.T @ lower_b)
    )


@pytest.mark.parametrize("d", [5, 128, 200, 1000, 4096, 5000])
def test_a_triangle_is_as_large_as_counted(d):
    assert halves.triangle(d) == Triangle.size(d)


def test_products_without_a_half_are_as_large_as_counted():
    d = 520
    matrix, lower = torch.zeros(d, d), torch.zeros(d, d)
    assert work_of(lambda: products.gram(matrix)) == {"float32": halves.gram(d)}
    assert work_of(lambda: products.lower_product(lower, matrix)) == {"float32": halves.lower_product(d)}
    assert work_of(lambda: products.congruence(matrix, lower)) == {"float32": halves.congruence(d)}
    assert work_of(lambda: products.product_of_factors(lower, lower)) == {
        "float32": halves.factors_product(d)
    }
    assert halves.factors_product(d) < 2 * d**3


@pytest.mark.parametrize("gradients", [True, False])
def test_distances_by_matrix_products_do_what_is_counted(gradients):
    d = 40
    covariances = covariance(d, 0), covariance(d, 1)
    counted = cost.distance(Shape(layers=1, d=d), gradients, lowest(*covariances, cost.EXACT))
    run = by_polar_factor if gradients else by_polar
    assert work_of(lambda: run(*covariances, *[torch.float32] * gradients)) == counted.flops


def test_distances_by_eigenvectors_do_what_is_counted():
    d = 40
    covariances = covariance(d, 0), covariance(d, 1)
    counted = cost.eigen_distance(Shape(layers=1, d=d))
    assert work_of(lambda: by_eigenvectors(*covariances, torch.float32)) == pytest.approx(counted.flops)


def test_noise_floors_do_what_is_counted():
    d = 40
    cov = covariance(d, 0).as_subclass(Elsewhere)
    half = Moments(torch.zeros(d, dtype=torch.float64), cov)

    def run():
        v1, v2, t1, t2 = (Factored.of(half) for _ in range(4))
        for a, b in ((v1, v2), (t1, t2), (v1, t1), (v2, t2)):
            a.distance(b)

    bound = lowest(covariance(d, 0), covariance(d, 0), cost.THREE_DIGITS)
    assert work_of(run) == cost.floors(Shape(layers=1, d=d), bound).flops


@pytest.mark.parametrize("groups", [10, 1])
def test_covariances_take_the_operations_that_are_counted_and_at_least_the_bytes(groups, monkeypatch):
    shape = Shape(layers=1, d=32, pairs=10, vision_tokens=64, text_tokens=96)
    for module in (inliers, cost):
        monkeypatch.setattr(module, "FLOAT64_WIDTH", 8)
        monkeypatch.setattr(module, "MIN_PRODUCT_ROWS", 32)
    generator = torch.Generator().manual_seed(0)
    modalities = []
    for count in (shape.vision_tokens, shape.text_tokens):
        hidden = torch.randn(shape.pairs, count, shape.d, generator=generator)
        hidden *= (torch.rand(shape.pairs, count, 1, generator=generator) + 1) / hidden.norm(
            dim=2, keepdim=True
        )
        modalities.append(hidden.bfloat16())  # of norms among which there is no outlier

    def run():
        for hidden in modalities:
            statistics = FirstPass(groups)
            for pair, states in enumerate(hidden):
                rows = states[torch.arange(len(states))]
                torch.isfinite(rows).all()
                statistics.update(rows, pair * groups // shape.pairs)
            assert statistics.close().summary().outliers == 0

    counted = cost.covariances(shape, groups) + cost.rows_taken(shape)
    done = work_of(run)
    norms = 2 * sum(shape.rows()) * shape.d  # of the rows, which torch does not count
    assert done["float32"] == counted.flops["float32"]
    assert done["float64"] == counted.flops["float64"] - norms
    with Touched() as touched:
        run()
    assert 0.3 * touched.bytes < counted.card_bytes < touched.bytes


def test_wide_rows_are_multiplied_in_float64_only_at_the_beginning():
    shape = Shape(layers=1, pairs=2)
    work = cost.covariances(shape)
    rows = shape.rows()
    assert work.flops["float64"] == 2 * sum(min(count, 2 * shape.d) for count in rows) * halves.triangle(
        shape.d
    )
    assert work.flops.get("float32", 0) == 0  # no more than these in two pairs
    assert cost.covariances(Shape(layers=1)).flops["float32"] > 5 * work.flops["float64"]


def test_work_adds_up():
    both = Work({"float32": 1.0}, 2.0, 3.0, 4.0) + Work({"float32": 1.0, "float64": 5.0}, host_flops=1.0) * 2
    assert both == Work({"float32": 3.0, "float64": 10.0}, 2.0, 3.0, 6.0)
