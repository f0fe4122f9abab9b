import math

import numpy as np
import pytest
import torch

from mir_task import MIRDataError, measure
from mir_task.accumulate.statistics import ModalityStatistics
from mir_task.accumulate.waiting import Sizes
from mir_task.measurement.plan import Plan
from mir_task.metric.frechet import terms_between
from mir_task.metric.layers import measure_layer, totals
from mir_task.metric.uncertainty import half_distances, jackknife_error, left_out_distances
from tests import oracle

D, PAIRS, TOKENS = 6, 40, 30


def modality(seed, shift=0.0, pairs=PAIRS, scale=1.0):
    """Rows of pairs: tokens of a pair share a part, as tokens of one image or text do.

    Their norms are uniform from 1 to 2 (times the scale), so no row is ever an outlier.
    """
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(pairs, 1, D, generator=generator, dtype=torch.float64)
    own = torch.randn(pairs, TOKENS, D, generator=generator, dtype=torch.float64)
    norms = 1 + torch.rand(pairs, TOKENS, 1, generator=generator, dtype=torch.float64)
    return list(scale * norms * torch.nn.functional.normalize(own + 0.5 * shared + shift, dim=-1))


def summary(pairs, groups=10, parts=None):
    statistics = ModalityStatistics(groups, parts)
    for index, rows in enumerate(pairs):
        statistics.update(rows, index % groups)
    return statistics.summary()


def layer(vision, text, groups=10):
    return measure_layer(1, summary(vision, groups), summary(text, groups))


def distance(vision, text):
    """By the paper's equations, in numpy."""
    return 10 ** oracle.mir([np.concatenate(vision)], [np.concatenate(text)])


def without(pairs, group, groups=10):
    return [rows for index, rows in enumerate(pairs) if index % groups != group]


def test_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=25)
    left_out = [np.delete(values, index).mean() for index in range(25)]
    assert jackknife_error(left_out) == pytest.approx(values.std(ddof=1) / 5, rel=1e-12)


def test_left_out_distances_are_those_of_the_other_pairs():
    vision, text = modality(0, 0.5), modality(1)
    assert summary(vision).outliers == summary(text).outliers == 0
    result = layer(vision, text)
    expected = [distance(without(vision, g), without(text, g)) for g in range(10)]
    np.testing.assert_allclose(result.left_out, expected, rtol=1e-10)
    assert result.result.standard_error == pytest.approx(jackknife_error(expected), rel=1e-9)


def test_linear_distances_are_close_to_exact_ones(monkeypatch):
    vision, text = summary(modality(0, 0.5)), summary(modality(1, scale=2.0))
    terms = terms_between(vision.moments, text.moments)
    exact = left_out_distances(vision, text, terms)
    monkeypatch.setattr("mir_task.metric.uncertainty.LINEARISE_ABOVE", 0)
    linear = left_out_distances(vision, text, terms)
    assert linear != exact
    assert jackknife_error(linear) == pytest.approx(jackknife_error(exact), rel=0.05)
    np.testing.assert_allclose(linear, exact, rtol=0.01)


def test_singular_covariances_have_no_gradient_and_fall_back(monkeypatch):
    flat = [rows * torch.tensor([1.0] * 5 + [0.0]) for rows in modality(0, 0.5)]
    vision, text = summary(flat), summary(modality(1))
    terms = terms_between(vision.moments, text.moments)
    exact = left_out_distances(vision, text, terms)
    monkeypatch.setattr("mir_task.metric.uncertainty.LINEARISE_ABOVE", 0)
    assert left_out_distances(vision, text, terms) == exact
    # Nor is there anything that another pass could do.
    assert left_out_distances(summary(flat, parts=2), summary(modality(1), parts=2), terms) is None


@pytest.mark.parametrize("parts", [1, 2])
def test_rows_once_more_give_what_groups_kept_apart_give(monkeypatch, parts):
    monkeypatch.setattr("mir_task.metric.uncertainty.LINEARISE_ABOVE", 0)
    vision, text = modality(0, 0.5), modality(1)
    vision[3][:5] *= 100  # outliers
    apart = layer(vision, text)
    pending = measure_layer(1, summary(vision, parts=parts), summary(text, parts=parts))
    assert pending.result.standard_error is None and not pending.left_out
    with pytest.raises(MIRDataError, match="not all rows were seen"):
        pending.complete()
    for sink, pairs in zip(pending.influences, (vision, text), strict=True):
        for index, rows in enumerate(pairs):
            sink.update(rows, index % 10)
    np.testing.assert_allclose(pending.complete().left_out, apart.left_out, rtol=1e-11)
    assert pending.complete().result.standard_error == pytest.approx(apart.result.standard_error, rel=1e-8)
    if parts == 2:
        assert pending.result.noise_floor_text == pytest.approx(apart.result.noise_floor_text, rel=1e-10)
        assert pending.result.fid_bias_corrected == pytest.approx(apart.result.fid_bias_corrected, rel=1e-10)
    with pytest.raises(MIRDataError, match="in the last pass more rows came"):
        pending.influences[0].update(vision[0], 0)


def test_standard_error_of_mir_is_that_of_its_logarithm():
    layers = [layer(modality(seed, 0.3 * seed), modality(seed + 1)) for seed in (0, 5)]
    expected = [math.log10(sum(part.left_out[g] for part in layers)) for g in range(10)]
    assert totals(layers)["standard_error"] == pytest.approx(jackknife_error(expected), rel=1e-12)


def test_too_few_groups_give_no_standard_error():
    result = layer(modality(0), modality(1), groups=4).result
    assert result.standard_error is None
    assert result.noise_floor_text is not None


def test_one_group_gives_neither_error_nor_floor():
    result = layer(modality(0), modality(1), groups=1).result
    assert (result.standard_error, result.noise_floor_vision, result.noise_floor_text) == (None,) * 3
    assert totals([layer(modality(0), modality(1), groups=1)])["mir_bias_corrected"] is None


def test_noise_floors_are_distances_between_halves_of_one_modality():
    vision, text = modality(0, 0.5), modality(1)
    alpha = 1 / np.linalg.norm(np.concatenate(text), axis=1).mean()
    result = layer(vision, text).result
    for pairs, floor in ((vision, result.noise_floor_vision), (text, result.noise_floor_text)):
        halves = [alpha * np.concatenate(pairs[start::2]) for start in (0, 1)]
        expected = oracle.frechet(
            *(value for half in halves for value in (half.mean(0), np.cov(half, rowvar=False)))
        )
        assert floor == pytest.approx(expected, rel=1e-9)


def test_noise_floor_explains_merged_modalities():
    # Vision and text of one distribution: what distance is left is noise, about as large as that between halves of
    # either; the corrected value is closer to the true 0. Far apart, neither floor comes near.
    merged, far = layer(modality(0), modality(1)).result, layer(modality(0, 2.0), modality(1)).result
    assert merged.fid < 2 * merged.noise_floor_text
    assert abs(merged.fid_bias_corrected) < merged.fid / 2
    assert far.fid > 10 * far.noise_floor_text
    assert far.fid_bias_corrected == pytest.approx(far.fid, rel=0.02)


def test_halves_of_two_pairs_are_the_pairs():
    halves = half_distances(summary(modality(0, pairs=2), 2), summary(modality(1, pairs=2), 2))
    assert halves is not None and halves.vision > 0


def test_interval_covers_the_true_value():
    """A quick form of the simulation in results/benchmarks: 95% intervals of the plain estimate, few dimensions.

    Far apart, so that bias does not matter. 100 repeats at 95% have a standard deviation of 2.2%.
    """
    repeats = [totals([layer(modality(2 * seed, 2.0), modality(2 * seed + 1))]) for seed in range(100)]
    truth = np.mean([repeat["mir"] for repeat in repeats])
    covered = [abs(repeat["mir"] - truth) < 1.96 * repeat["standard_error"] for repeat in repeats]
    assert 0.87 <= np.mean(covered) <= 0.99


# On a model


def test_measure_estimates_from_ten_pairs_on(llava, pairs):
    result = measure(*llava, [*pairs, *pairs[:4]], progress=False)
    assert result.groups == 10
    assert 0 < result.standard_error < 1
    assert all(layer.standard_error > 0 for layer in result.layers)
    assert result.mir_bias_corrected < result.mir


def test_second_pass_gives_the_same_number(llava, pairs, monkeypatch):
    once = measure(*llava, pairs, progress=False)
    assert {layer.passes for layer in once.layers} == {1}
    monkeypatch.setattr(
        "mir_task.accumulate.waiting.Sizes.of", lambda _: Sizes(largest=4, smallest=1, waiting=8)
    )
    twice = measure(*llava, iter(pairs), progress=False)
    assert 2 in {layer.passes for layer in twice.layers}
    assert twice.mir == pytest.approx(once.mir, rel=1e-12)
    assert twice.mir_reference == pytest.approx(once.mir_reference, rel=1e-12)
    assert twice.standard_error == pytest.approx(once.standard_error, rel=1e-9)


def test_without_room_for_groups_one_more_pass_gives_the_error(llava, pairs, monkeypatch):
    pairs = [*pairs, *pairs[:4]]
    monkeypatch.setattr("mir_task.metric.uncertainty.LINEARISE_ABOVE", 0)
    apart = measure(*llava, pairs, progress=False)
    monkeypatch.setattr(
        "mir_task.measurement.plan.plan", lambda *_: Plan(layers=6, parts=2, passes=2, needed=0, taken=0)
    )
    again = measure(*llava, pairs, progress=False)
    assert again.mir == pytest.approx(apart.mir, rel=1e-12)
    assert again.mir_bias_corrected == pytest.approx(apart.mir_bias_corrected, rel=1e-9)
    assert again.standard_error == pytest.approx(
        apart.standard_error, rel=1e-4
    )  # float32 products of the rows
    assert [part.standard_error for part in again.layers] == pytest.approx(
        [part.standard_error for part in apart.layers], rel=1e-4
    )
