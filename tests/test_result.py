"""A result and its file."""

import json
import math

import numpy as np
import pytest
import torch

from mir_task import MIRDataError, MIRResult, mir_from_features


@pytest.fixture(scope="module")
def result():
    """Bare features of three layers, whose distances differ."""
    rows = torch.randn(6, 100, 8, generator=torch.Generator().manual_seed(0))
    return mir_from_features([rows[0], rows[1] + 1, rows[2] + 2], [rows[3], rows[4], rows[5]])


def edited(path, change):
    """The file with a change made to its JSON value."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    return path


def test_mir_per_layer_is_the_logarithm_of_the_mean_distance_of_a_layer(result):
    distances = [layer.fid for layer in result.layers]
    assert result.mir_per_layer == pytest.approx(np.log10(np.mean(distances)), rel=1e-12)


def test_mir_per_layer_does_not_grow_with_layers_that_are_alike(result):
    shallow, deep = result, result.model_copy(update={"layers": result.layers * 2})
    deep = deep.model_copy(update={"mir": math.log10(sum(layer.fid for layer in deep.layers))})
    assert deep.mir > shallow.mir
    assert deep.mir_per_layer == pytest.approx(shallow.mir_per_layer)


def test_mir_per_layer_is_in_the_file(result, tmp_path):
    file = result.save(tmp_path / "result.json")
    assert json.loads(file.read_text())["mir_per_layer"] == result.mir_per_layer
    assert MIRResult.load(file) == result


def test_a_file_without_mir_per_layer_loads(result, tmp_path):
    file = edited(result.save(tmp_path / "result.json"), lambda value: value.pop("mir_per_layer"))
    assert MIRResult.load(file).mir_per_layer == result.mir_per_layer


def test_a_file_of_before_values_without_each_group_loads(result, tmp_path):
    file = edited(result.save(tmp_path / "result.json"), lambda value: value.pop("mir_left_out"))
    assert MIRResult.load(file).mir_left_out is None


def test_values_without_each_group_are_in_the_file(result, tmp_path):
    result = result.model_copy(update={"mir_left_out": [1.0, -math.inf, 2.5]})
    assert MIRResult.load(result.save(tmp_path / "result.json")).mir_left_out == [1.0, -math.inf, 2.5]


def test_mir_per_layer_always_follows_from_mir_and_layers(result, tmp_path):
    file = edited(result.save(tmp_path / "result.json"), lambda value: value.update(mir_per_layer=99))
    assert MIRResult.load(file).mir_per_layer == result.mir_per_layer


def test_identical_modalities_have_no_logarithm(tmp_path):
    # Two layers of which the distance is exactly zero.
    rows = [torch.tensor([[0.0, 2.0], [2.0, 0.0], [0.0, -2.0], [-2.0, 0.0]])] * 2
    result = mir_from_features(rows, rows).model_copy(update={"mir": -math.inf})
    file = result.save(tmp_path / "result.json")
    assert json.loads(file.read_text())["mir_per_layer"] == "-Infinity"
    assert MIRResult.load(file).mir_per_layer == -math.inf


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.update(mir_per_head=1.0), "mir_per_head"),
        (lambda value: value["layers"][1].pop("fid"), "layers.1.fid"),
        (lambda value: value.update(layers=[]), "layers"),
    ],
    ids=["a field of another version", "a layer without its distance", "no layers"],
)
def test_what_is_no_result_is_refused_by_the_name_of_the_field(result, tmp_path, change, message):
    with pytest.raises(MIRDataError, match=f"result.json is no result of MIRResult: .*{message}"):
        MIRResult.load(edited(result.save(tmp_path / "result.json"), change))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(MIRDataError, match=r"cannot read .*missing\.json"):
        MIRResult.load(tmp_path / "missing.json")
    (tmp_path / "half.json").write_text('{"mir": 1.0, "lay')
    with pytest.raises(
        MIRDataError, match=r"half\.json is no result of MIRResult: the whole of it: Invalid JSON"
    ):
        MIRResult.load(tmp_path / "half.json")
