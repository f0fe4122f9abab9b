"""Numbers beside MIR from the same statistics, against numpy on the rows and against rows that were really scaled."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mir_task import MIRResult, mir_from_features
from tests.accumulate.planted import two_pass
from tests.conftest import REPOSITORY
from tests.metric.test_layers import features


def scaled_to_text(vision, text):
    """Vision rows scaled so that their mean norm is the text's, layer by layer."""
    return [v * (t.norm(dim=1).mean() / v.norm(dim=1).mean()) for v, t in zip(vision, text, strict=True)]


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 12), st.floats(0.02, 50))
def test_matched_norms_are_those_of_rows_that_were_scaled(seed, d, length):
    vision, text = features(seed, d=d)
    vision = [length * rows for rows in vision]
    found = mir_from_features(vision, text)
    direct = mir_from_features(scaled_to_text(vision, text), text)
    assert found.mir_norm_matched == pytest.approx(direct.mir, rel=1e-9, abs=1e-9)
    assert [layer.fid_norm_matched for layer in found.layers] == pytest.approx(
        [layer.fid for layer in direct.layers], rel=1e-9
    )


def test_matched_norms_of_fewer_rows_than_dimensions_too():
    vision, text = features(rows=(12, 15), d=40)
    direct = mir_from_features(scaled_to_text(vision, text), text)
    assert mir_from_features(vision, text).mir_norm_matched == pytest.approx(direct.mir, rel=1e-9)


def test_norms_that_match_already_change_nothing():
    vision, text = features()
    result = mir_from_features(scaled_to_text(vision, text), text)
    assert result.mir_norm_matched == pytest.approx(result.mir, rel=1e-12)


def test_matched_norms_do_not_depend_on_how_long_vision_is():
    vision, text = features()
    found = [mir_from_features([k * rows for rows in vision], text).mir_norm_matched for k in (1, 50)]
    assert found[1] == pytest.approx(found[0], rel=1e-9)


def test_variances_and_medians_are_numpys():
    vision, text = features()
    for layer, *rows in zip(mir_from_features(vision, text).layers, vision, text, strict=True):
        traces, medians = [], []
        for own in rows:
            data, outliers = two_pass(own)
            assert outliers.sum() == 2
            traces.append(layer.alpha**2 * data[~outliers].var(0, ddof=1).sum())
            norms = np.sort(np.linalg.norm(data, axis=1))
            medians.append(norms[(len(norms) - 1) // 2])
        assert [layer.vision_variance, layer.text_variance] == pytest.approx(traces, rel=1e-10)
        assert layer.variance_ratio == pytest.approx(traces[0] / traces[1], rel=1e-10)
        assert [layer.vision_norm_median, layer.text_norm_median] == pytest.approx(medians, rel=1e-12)
        assert layer.median_norm_ratio == pytest.approx(medians[0] / medians[1], rel=1e-12)


def test_the_norm_ratio_is_the_geometric_mean_of_the_layers():
    result = mir_from_features(*features())
    logs = [np.log(layer.vision_norm_median / layer.text_norm_median) for layer in result.layers]
    assert result.norm_ratio == pytest.approx(np.exp(np.mean(logs)), rel=1e-12)


def test_the_norm_ratio_of_rows_that_are_k_times_as_long_is_k_whatever_a_few_outliers_do():
    rows = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
    outliers = rows.clone()
    outliers[rows.norm(dim=1).topk(4).indices] *= 1e4  # they stay the longest
    result = mir_from_features([3 * rows], [outliers])
    assert result.norm_ratio == pytest.approx(3, rel=1e-6)
    assert result.layers[0].mean_norm_ratio < 0.1


def test_bare_features_have_no_image_share():
    assert mir_from_features(*features()).image_share is None


def test_vision_rows_of_zeros_have_no_matched_norm(tmp_path):
    _, text = features(layers=1)
    result = mir_from_features([torch.zeros(50, 8)], text)
    assert result.mir_norm_matched is None and result.norm_ratio == 0 == result.layers[0].variance_ratio
    assert MIRResult.load(result.save(tmp_path / "result.json")) == result


def test_companions_survive_the_disk_and_are_derived_anew(tmp_path):
    result = mir_from_features(*features())
    file = result.save(tmp_path / "result.json")
    value = json.loads(file.read_text())
    assert value["norm_ratio"] == result.norm_ratio and value["mir_norm_matched"] == result.mir_norm_matched
    file.write_text(json.dumps(value | {"norm_ratio": 99, "mir_norm_matched": 99, "image_share": 99}))
    assert MIRResult.load(file) == result


def test_a_file_of_0_3_loads_and_claims_nothing(tmp_path):
    (file,) = (REPOSITORY / "results/study/mir/unlocked-all_s0").glob("*_mir_mir_builtin.json")
    assert "image_share" not in file.read_text()
    result = MIRResult.load(file)
    assert (result.norm_ratio, result.mir_norm_matched, result.image_share) == (None, None, None)
    assert result.trust == []
    assert all(layer.variance_ratio is layer.median_norm_ratio is None for layer in result.layers)
    assert MIRResult.load(result.save(tmp_path / "again.json")) == result
