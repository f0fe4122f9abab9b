"""Reasons not to trust a MIR: each speaks where its cause is planted, and nowhere else."""

import pytest
import torch

from mir_task import MIRResult
from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.statistics import FirstPass
from mir_task.metric.layers import measure_layer, totals, with_reasons
from mir_task.metric.trust import reasons
from mir_task.result import Protocol

PAIRS, TOKENS, D = 40, 30, 8


def rows(seed, shift=0.0, own=1.0, picture=0.7, place=0.0):
    """[pairs, tokens, d]: a part of each token's own, one of its picture, one of its place in every picture."""
    generator = torch.Generator().manual_seed(seed)

    def part(size, *shape):
        return size * torch.randn(*shape, D, generator=generator, dtype=torch.float64)

    parts = part(own, PAIRS, TOKENS), part(picture, PAIRS, 1), part(place, 1, TOKENS)
    return sum(parts) + shift


def result(vision, text, groups=10, **fields):
    """What is measured of two layers with these rows, pair by pair."""

    def summary(pairs, pairwise):
        statistics = FirstPass(groups, pairwise=pairwise)
        for number, own in enumerate(pairs):
            statistics.update(own, number * groups // len(pairs))
        return statistics.close().summary()

    layers = [
        measure_layer(number, Modalities(summary(vision, True), summary(text, False))) for number in (1, 2)
    ]
    return with_reasons(MIRResult(**totals(layers), pairs=len(vision), **fields))


def codes(found):
    return [reason.code for reason in found.trust]


def with_outliers(text, length):
    """The text with each pair's first token this many times as long."""
    text = text.clone()
    text[:, 0] *= length
    return text


TEXT = rows(1)
HEALTHY = rows(0, shift=1.0)
MERGED = rows(2)
BLIND = rows(0, shift=1.0, own=1e-3, picture=1e-3, place=1.0)
ALL_EQUAL = torch.ones(PAIRS, TOKENS, D, dtype=torch.float64)

PLANTED = {
    "a healthy model": (HEALTHY, TEXT, {}, []),
    "nearly the same rows whatever the picture": (BLIND, TEXT, {}, ["image_share"]),
    "one row whatever the picture": (ALL_EQUAL, TEXT, {}, ["image_share"]),
    "rows of zeros": (0 * ALL_EQUAL, TEXT, {}, ["image_share"]),
    "rows that know no picture but differ by chance": (rows(0, shift=1.0, picture=0.0), TEXT, {}, []),
    "modalities of one distribution": (MERGED, TEXT, {}, ["noise_floor"]),
    "vision 50 times as long": (50 * HEALTHY, TEXT, {}, ["norms"]),
    "vision a fiftieth as long": (HEALTHY / 50, TEXT, {}, []),
    "text outliers": (HEALTHY, with_outliers(TEXT, 20), {}, ["outliers"]),
    "a chat template": (HEALTHY, TEXT, {"protocol": Protocol(template="chat_template")}, []),
    "the text in the user's turn": (HEALTHY, TEXT, {"protocol": Protocol(template="user_turn")}, []),
    "no chat template": (HEALTHY, TEXT, {"protocol": Protocol(template="plain")}, ["template"]),
    "two causes": (50 * BLIND, TEXT, {}, ["image_share", "norms"]),
}


@pytest.mark.parametrize("case", PLANTED)
def test_a_reason_speaks_where_its_cause_is_planted_and_nowhere_else(case):
    vision, text, fields, expected = PLANTED[case]
    assert codes(result(vision, text, **fields)) == expected


def reason(*arguments, **fields):
    (found,) = result(*arguments, **fields).trust
    return found


def test_a_reason_has_the_figures_that_it_rests_on():
    found = result(50 * HEALTHY, TEXT)
    (norms,) = found.trust
    total, matched = 10**found.mir, 10**found.mir_norm_matched
    assert norms.figures == pytest.approx(
        {"sum": total, "sum_norm_matched": matched, "norm_ratio": found.norm_ratio}
    )
    assert f"{100 * (1 - matched / total):.0f}% of the summed distance" in norms.sentence
    blind = reason(BLIND, TEXT)
    assert blind.figures["image_share_at_random"] == pytest.approx((PAIRS - 1) / (PAIRS * TOKENS - 1))
    assert blind.figures["image_share"] < 1e-5


def test_text_outliers_are_told_by_how_far_they_move_alpha():
    found = reason(HEALTHY, with_outliers(TEXT, 20))
    # One of 30 tokens is 20 times as long: the mean norm is 49/30 of the others'.
    assert found.figures["largest_change"] == pytest.approx(19 / 30, abs=0.05)
    assert (found.figures["layers"], found.figures["layer"]) == (2, 1)


def test_text_outliers_that_move_alpha_by_less_are_no_reason():
    text = TEXT.clone()
    text[0, 0] *= 40  # one of 1,200 tokens: the mean norm grows by 3%
    found = result(HEALTHY, text)
    assert found.layers[0].text_outliers == 1
    assert found.layers[0].alpha_inliers > 1.02 * found.layers[0].alpha
    assert codes(found) == []


def test_noise_is_told_where_half_of_the_pairs_tell_nothing_of_the_bias():
    """Far fewer rows than dimensions: halves of a modality are as far apart as the modalities, the bias hides."""
    generator = torch.Generator().manual_seed(0)
    vision, text = (torch.randn(20, 2, 200, generator=generator, dtype=torch.float64) for _ in range(2))
    found = result(vision, text)
    corrected = sum(layer.fid_bias_corrected for layer in found.layers)
    assert corrected > 10**found.mir / 2
    assert codes(found) == ["noise_floor"]


def test_what_was_not_measured_gives_no_reason():
    without_noise = result(MERGED, TEXT, groups=1)
    assert without_noise.layers[0].fid_bias_corrected is None
    assert codes(without_noise) == []
    bare = result(BLIND, TEXT).model_copy(update={"pairs": None})
    assert reasons(bare) == []
    layers = [layer.model_copy(update={"image_share": None}) for layer in bare.layers]
    assert reasons(bare.model_copy(update={"pairs": PAIRS, "layers": layers})) == []


def test_reasons_survive_the_disk(tmp_path):
    found = result(50 * HEALTHY, TEXT, protocol=Protocol(template="plain"))
    loaded = MIRResult.load(found.save(tmp_path / "result.json"))
    assert loaded == found
    assert len(loaded.trust) == 2
