import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mir_task import MIRDataError, MIRResult, mir_from_features
from tests import oracle


def features(seed=0, layers=3, rows=(90, 140), d=8, scale=1.0):
    """Lists over layers of vision and text rows, a few of them outliers."""
    generator = torch.Generator().manual_seed(seed)
    result = []
    for modality, n in enumerate(rows):
        data = [
            torch.randn(n, d, generator=generator, dtype=torch.float64) + 0.3 * modality + layer / 5
            for layer in range(layers)
        ]
        for layer in data:
            layer[:2] *= 50
        result.append([scale * layer for layer in data])
    return result


def as_numpy(modality):
    return [layer.numpy() for layer in modality]


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 20))
def test_equals_the_papers_equations(seed, layers, d):
    vision, text = features(seed, layers, d=d)
    result = mir_from_features(vision, text)
    if d > 1:
        assert result.mir == pytest.approx(oracle.mir(as_numpy(vision), as_numpy(text)), rel=1e-9)
    assert result.mir == pytest.approx(math.log10(sum(layer.fid for layer in result.layers)), rel=1e-12)
    assert [layer.layer for layer in result.layers] == list(range(1, layers + 1))


def test_reference_equals_the_released_scripts_steps():
    # Small and well-conditioned, where its iteration (unstable in general) can be followed in float64.
    vision, text = map(as_numpy, features(rows=(400, 500)))
    expected = oracle.mir_reference(vision, text, root=oracle.released_root)
    result = mir_from_features(*features(rows=(400, 500)))
    assert result.mir_reference == pytest.approx(expected, rel=1e-9)
    assert result.mir_reference != pytest.approx(result.mir, rel=1e-3)


@given(st.floats(0.01, 100))
def test_common_scale_does_not_matter(scale):
    once, scaled = mir_from_features(*features()), mir_from_features(*features(scale=scale))
    assert scaled.mir == pytest.approx(once.mir, rel=1e-9)
    assert scaled.mir_reference == pytest.approx(once.mir_reference, rel=1e-9)
    assert scaled.layers[0].alpha * scale == pytest.approx(once.layers[0].alpha, rel=1e-9)


def test_order_of_rows_does_not_matter():
    vision, text = features()
    shuffled = mir_from_features([layer.flip(0) for layer in vision], [layer.roll(7, 0) for layer in text])
    assert shuffled.mir == pytest.approx(mir_from_features(vision, text).mir, rel=1e-12)


def test_grows_with_a_shift_of_vision():
    vision, text = features()
    values = [mir_from_features([v + shift for v in vision], text).mir for shift in (0, 1, 2, 5)]
    assert values == sorted(values)


def test_scale_of_vision_alone_matters():
    vision, text = features()
    assert mir_from_features([10 * v for v in vision], text).mir > mir_from_features(vision, text).mir + 1


def test_layer_results_carry_what_they_came_from():
    vision, text = features()
    layer = mir_from_features(vision, text).layers[1]
    assert layer.fid == pytest.approx(layer.mean_term + layer.covariance_term)
    assert (layer.vision_tokens, layer.text_tokens) == (90, 140)
    assert (layer.vision_outliers, layer.text_outliers) == (2, 2)
    assert layer.text_norm == pytest.approx(float(text[1].norm(dim=1).mean()))
    assert layer.alpha == pytest.approx(1 / layer.text_norm)
    assert layer.alpha_inliers == pytest.approx(1 / float(text[1][2:].norm(dim=1).mean()))


def test_identical_modalities_have_no_logarithm(tmp_path):
    # Integers, so that the distance is exactly zero.
    rows = torch.tensor([[0.0, 2.0], [2.0, 0.0], [0.0, -2.0], [-2.0, 0.0]])
    result = mir_from_features([rows], [rows])
    assert result.mir == -math.inf or result.mir < -14
    assert MIRResult.load(result.save(tmp_path / "result.json")) == result


def test_reference_without_logarithm_is_null():
    # A direction in which both covariances are large: tr(S_v S_t) outgrows the traces.
    generator = np.random.default_rng(0)
    vision = torch.from_numpy(generator.normal(size=(500, 2)) * [100, 0.1])
    text = torch.from_numpy(generator.normal(size=(500, 2)) * [1, 0.01])
    result = mir_from_features([vision], [text])
    assert result.mir_reference is None
    assert math.isfinite(result.mir)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda v, t: ([], []), "got 0 vision and 0 text layers"),
        (lambda v, t: (v, t[:2]), "got 3 vision and 2 text layers"),
        (lambda v, t: (v, [t[0], t[1] * float("nan"), t[2]]), "layer 2 has NaN or Inf in its text rows"),
        (lambda v, t: ([v[0][:1], *v[1:]], t), "layer 1, vision tokens: a covariance needs at least 2 rows"),
        (lambda v, t: (v, [0 * layer for layer in t]), "layer 1: every text row is zero"),
    ],
)
def test_bad_features_are_named(damage, message):
    with pytest.raises(MIRDataError, match=message):
        mir_from_features(*damage(*features()))


def test_result_survives_the_disk(tmp_path):
    result = mir_from_features(*features())
    assert MIRResult.load(result.save(tmp_path / "new" / "result.json")) == result


BAD_FEATURES = {
    "arrays": (
        lambda rows: rows.numpy(),
        r"layer 2, vision rows: expected a torch tensor \[n, d\], got ndarray",
    ),
    "another width": (
        lambda rows: rows[:, :5],
        "layer 2 has vision rows of width 5 and text rows of width 8",
    ),
}


@pytest.mark.parametrize("kind", BAD_FEATURES)
def test_features_that_are_none_are_named(kind):
    change, message = BAD_FEATURES[kind]
    vision, text = features()
    vision[1] = change(vision[1])
    with pytest.raises(MIRDataError, match=message):
        mir_from_features(vision, text)
