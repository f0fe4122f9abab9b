"""The table of metrics."""

import dataclasses
import subprocess
import sys

import pytest
import torch

from mir_task import mir_from_features
from mir_task.metrics import (
    CAPTION_METRICS,
    LAYER_METRICS,
    MIR_METRICS,
    LayerMetric,
    higher_is_better,
    values,
)
from mir_task.training import callback


@pytest.fixture(scope="module")
def features():
    """The result of bare features of two layers."""
    rows = torch.randn(4, 100, 8, generator=torch.Generator().manual_seed(0))
    return mir_from_features([rows[0], rows[1] + 1], [rows[2], rows[3]])


def test_numbers_that_bare_features_do_not_tell_are_none(features):
    read = values(MIR_METRICS, features)
    known = {name for name, number in read.items() if number is not None}
    assert known == {"mir", "mir_per_layer", "mir_reference", "mir_norm_matched", "norm_ratio"}
    assert read["mir"] == features.mir


def test_lower_is_better_of_distances_and_perplexity_and_neither_way_of_what_they_were_measured_on():
    direction = higher_is_better(MIR_METRICS) | higher_is_better(CAPTION_METRICS)
    lower = {name for name, higher in direction.items() if higher is False}
    assert lower == {"mir", "mir_per_layer", "mir_reference", "mir_norm_matched", "caption_ppl"}
    assert {higher for name, higher in direction.items() if name not in lower} == {None}


def test_a_higher_number_that_is_better_is_told_to_lmms_eval_as_such():
    assert dataclasses.replace(MIR_METRICS[0], better="higher").higher_is_better is True


@pytest.mark.parametrize("table", [MIR_METRICS, LAYER_METRICS, CAPTION_METRICS])
def test_a_name_stands_for_one_number(table):
    assert len({metric.name for metric in table}) == len(table)


def test_the_log_of_training_has_the_numbers_that_the_table_says(features):
    assert set(callback.numbers_of(features)) == {
        "eval_mir",
        "eval_mir_reference",
        "eval_mir_fid_layer_01",
        "eval_mir_fid_layer_02",
    }


def test_a_row_in_the_table_is_all_that_a_number_in_the_log_takes(features, monkeypatch):
    alpha = LayerMetric("alpha", "the scale of eq. 2", read=lambda layer: layer.alpha, logged=True)
    monkeypatch.setattr(callback, "LAYER_METRICS", (alpha,))
    assert callback.numbers_of(features)["eval_mir_alpha_layer_02"] == features.layers[1].alpha


def test_the_table_needs_neither_torch_nor_transformers():
    code = "import sys, mir_task.metrics; print({'torch', 'transformers', 'lmms_eval'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
