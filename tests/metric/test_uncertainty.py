import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mir_task import MIRDataError, measure
from mir_task.accumulate.buffers import BufferSizes
from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.statistics import FirstPass
from mir_task.measurement.plan import Plan
from mir_task.measurement.run import measure_with
from mir_task.measurement.settings import MeasurementSettings
from mir_task.metric.frechet import terms_and_maps, terms_between
from mir_task.metric.layers import PendingLayer, measure_layer, totals
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


def summary(pairs, groups=10, scatters=None):
    statistics = FirstPass(groups, scatters)
    for index, rows in enumerate(pairs):
        statistics.update(rows, index % groups)
    return statistics.close().summary()


def summaries(vision, text, groups=10, scatters=None):
    return Modalities(summary(vision, groups, scatters), summary(text, groups, scatters))


def layer(vision, text, groups=10, linearise_above=256):
    return measure_layer(1, summaries(vision, text, groups), linearise_above)


def left_out(modalities, linear=False, dtype=torch.float64):
    moments = modalities.vision.moments, modalities.text.moments
    terms, maps = terms_and_maps(*moments, dtype) if linear else (terms_between(*moments), None)
    return left_out_distances(modalities, terms, maps)


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


@pytest.mark.parametrize("linearise_above", [2, 256])
def test_text_that_is_zero_without_one_group_has_no_standard_error(linearise_above):
    text = [rows if index % 10 == 3 else 0 * rows for index, rows in enumerate(modality(1))]
    measured = layer(modality(0), text, linearise_above=linearise_above)
    assert measured.result.fid > 0
    assert measured.result.standard_error is None and not measured.left_out


def test_identical_modalities_have_no_standard_error():
    same = modality(0)
    numbers = totals([layer(same, same)])
    assert (numbers["mir"], numbers["standard_error"]) == (-math.inf, None)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_linear_distances_are_close_to_exact_ones(dtype):
    modalities = summaries(modality(0, 0.5), modality(1, scale=2.0))
    exact, linear = left_out(modalities), left_out(modalities, linear=True, dtype=dtype)
    assert linear != exact
    assert jackknife_error(linear) == pytest.approx(jackknife_error(exact), rel=0.05)
    np.testing.assert_allclose(linear, exact, rtol=0.01)


def test_the_more_pairs_the_closer_linear_distances_are_to_exact_ones():
    # A group is a tenth at any number, but what sets it apart falls with the root of the number: its square with it.
    def gap(pairs):
        modalities = summaries(modality(0, 0.5, pairs), modality(1, pairs=pairs, scale=2.0))
        return np.abs(np.subtract(left_out(modalities), left_out(modalities, linear=True))).max()

    assert gap(640) < gap(40) / 8


def test_linear_distances_do_not_depend_on_the_groups_order():
    vision, text = modality(0, 0.5), modality(1)
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    shuffled = [
        [rows[index - index % 10 + order[index % 10]] for index in range(PAIRS)] for rows in (vision, text)
    ]
    expected = np.array(left_out(summaries(vision, text), linear=True))[order]
    np.testing.assert_allclose(left_out(summaries(*shuffled), linear=True), expected, rtol=1e-11)


def given_again(pending, vision, text):
    for influence, pairs in zip(pending.influences, (vision, text), strict=True):
        for index, rows in enumerate(pairs):
            influence.update(rows, index % 10)
    return pending


def test_singular_covariances_are_decomposed_anew_without_each_group():
    flat = [rows * torch.tensor([1.0] * 5 + [0.0]) for rows in modality(0, 0.5)]
    apart = summaries(flat, modality(1))
    assert left_out(apart, linear=True) == left_out(apart)


def test_without_room_for_groups_singular_covariances_are_linearised_within_their_range():
    # Changes stay in the range: first order is as good as for covariances of full rank.
    flat, text = [rows * torch.tensor([1.0] * 5 + [0.0]) for rows in modality(0, 0.5)], modality(1)
    expected = left_out(summaries(flat, text))
    linearised = given_again(left_out(summaries(flat, text, scatters=2), linear=True), flat, text)
    assert jackknife_error(linearised.distances()) == pytest.approx(jackknife_error(expected), rel=0.05)


def test_of_fewer_rows_than_dimensions_there_is_no_first_order():
    generator = torch.Generator().manual_seed(0)
    vision, text = (
        list(torch.randn(10, rows, 60, generator=generator, dtype=torch.float64)) for rows in (4, 9)
    )
    assert left_out(summaries(vision, text, scatters=2), linear=True) is None
    exact = [distance(without(vision, g), without(text, g)) for g in range(10)]
    np.testing.assert_allclose(left_out(summaries(vision, text), linear=True), exact, rtol=1e-6)


@pytest.mark.parametrize("scatters", [1, 2])
def test_rows_once_more_give_what_groups_kept_apart_give(scatters):
    vision, text = modality(0, 0.5), modality(1)
    vision[3][:5] *= 100  # outliers
    apart = layer(vision, text, linearise_above=0)
    pending = measure_layer(1, summaries(vision, text, scatters=scatters), linearise_above=0)
    assert isinstance(pending, PendingLayer) and pending.result.standard_error is None
    with pytest.raises(MIRDataError, match="not all rows were seen"):
        pending.complete()
    given_again(pending, vision, text)
    np.testing.assert_allclose(pending.complete().left_out, apart.left_out, rtol=1e-11)
    assert pending.complete().result.standard_error == pytest.approx(apart.result.standard_error, rel=1e-8)
    if scatters == 2:
        assert pending.result.noise_floor_text == pytest.approx(apart.result.noise_floor_text, rel=1e-10)
        assert pending.result.fid_bias_corrected == pytest.approx(apart.result.fid_bias_corrected, rel=1e-10)
    with pytest.raises(MIRDataError, match="in the last pass more rows came"):
        pending.influences.vision.update(vision[0], 0)


def test_standard_error_of_mir_is_that_of_its_logarithm():
    layers = [layer(modality(seed, 0.3 * seed), modality(seed + 1)) for seed in (0, 5)]
    expected = [math.log10(sum(part.left_out[g] for part in layers)) for g in range(10)]
    found = totals(layers)
    assert found["mir_left_out"] == pytest.approx(expected, rel=1e-12)
    assert found["standard_error"] == jackknife_error(found["mir_left_out"])


def test_too_few_groups_give_no_standard_error():
    result = layer(modality(0), modality(1), groups=4).result
    assert result.standard_error is None
    assert totals([layer(modality(0), modality(1), groups=4)])["mir_left_out"] is None
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
    halves = half_distances(summaries(modality(0, pairs=2), modality(1, pairs=2), groups=2))
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


def test_measure_estimates_from_ten_pairs_on(llava, ten_pairs):
    result = measure(*llava, ten_pairs, progress=False)
    assert result.groups == 10
    assert 0 < result.standard_error < 1
    assert len(result.mir_left_out) == 10 and result.standard_error == jackknife_error(result.mir_left_out)
    assert all(layer.standard_error > 0 for layer in result.layers)
    assert result.mir_bias_corrected < result.mir


def test_a_second_pass_gives_the_same_number(llava, pairs):
    once = measure(*llava, pairs, progress=False)
    assert {layer.passes for layer in once.layers} == {1}
    little_room = MeasurementSettings(buffers=BufferSizes(waiting_rows=8), progress=False)
    twice = measure_with(little_room, *llava, iter(pairs))
    assert 2 in {layer.passes for layer in twice.layers}
    assert twice.mir == pytest.approx(once.mir, rel=1e-12)
    assert twice.mir_reference == pytest.approx(once.mir_reference, rel=1e-12)
    assert twice.standard_error == pytest.approx(once.standard_error, rel=1e-9)


def test_without_room_for_groups_one_more_pass_gives_the_error(llava, ten_pairs):
    apart = MeasurementSettings(linearise_above=0, progress=False)
    halves = replace(apart, plan=Plan(layers=6, scatters=2))
    expected, again = (measure_with(settings, *llava, ten_pairs) for settings in (apart, halves))
    assert again.mir == pytest.approx(expected.mir, rel=1e-12)
    assert again.mir_bias_corrected == pytest.approx(expected.mir_bias_corrected, rel=1e-9)
    # The rows' products are taken in float32.
    assert again.standard_error == pytest.approx(expected.standard_error, rel=1e-4)
    assert [part.standard_error for part in again.layers] == pytest.approx(
        [part.standard_error for part in expected.layers], rel=1e-4
    )
