"""One long training from which trainings of every length branch, on a study's models at tiny sizes."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from mir_task import MIRError, MIRResult, Pair, measure
from mir_task.data import builtin_texts, local_pairs
from mir_task.study import trunk
from mir_task.study.along import measure_along, table_along
from mir_task.study.batches import batch_indices, caption_of
from mir_task.study.experiments import PLANS, Pretraining, Run, most_pairs, runs
from mir_task.study.features import Features, write_features
from mir_task.study.layout import Layout
from mir_task.study.pretrain import pretrain, train_stage_one
from mir_task.study.probe_data import write_probe_data
from mir_task.study.scales import REAL
from mir_task.study.stage_one import new_model
from mir_task.study.training import WSD, WSD_WARMUP, Recipe, train
from mir_task.study.world import Stream
from tests.study.conftest import TINY

SCALE = replace(
    TINY, plan="real", experiments=("data scale", "data scale, LoRA"), batch_size=4, pairs=64, along=(0, 24)
)


def run_of(seed=0, **settings):
    return Run(Pretraining(schedule=WSD, **settings), seed)


@pytest.fixture(scope="module")
def layout(stage_zero, tmp_path_factory):
    found = Layout(tmp_path_factory.mktemp("branches"))
    (found.root / "stage0").mkdir()
    found.language.symlink_to(stage_zero.language)
    found.vision.symlink_to(stage_zero.vision)
    for folder in (found.features(Stream.CAPTIONS), found.probe):
        folder.mkdir(parents=True)
    write_features(
        found.vision, found.language, Stream.CAPTIONS, most_pairs(SCALE), found.features(Stream.CAPTIONS)
    )
    write_probe_data(SCALE, found.probe)
    return found


def test_the_rate_rises_stays_and_falls_in_the_last_fifth():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    rates = train(lambda _: (weight**2).sum(), [weight], Recipe(0.1, schedule=WSD), 50, "test")
    expected = np.interp(range(50), [0, WSD_WARMUP, 40, 50], [0, 0.1, 0.1, 0])
    assert rates["learning_rate"].tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize("unlocked", ["none", "lora"])
def test_a_branch_is_the_training_that_was_never_stopped(layout, tmp_path, unlocked):
    run = run_of(data=0.5, unlocked=unlocked)
    model, processor = new_model(run, layout)
    whole = train_stage_one(model, processor, Features(layout.features(Stream.CAPTIONS)), run, SCALE)
    pretrain(SCALE, run, layout, tmp_path, "cpu")
    branched, straight = load_file(tmp_path / "model.safetensors"), model.state_dict()
    trained = [name for name in straight if "projector" in name or "q_proj" in name]
    assert len(trained) > 4
    names = {name: name.replace("model.language_model", "language_model.model") for name in trained}
    for name in trained:
        saved = branched.get(name, branched.get(names[name], branched.get(name.removeprefix("model."))))
        assert saved is not None and torch.equal(saved, straight[name]), name
    curve = pd.read_csv(tmp_path / "curve.csv")
    assert curve["step"].tolist() == list(range(trunk.branch_step(SCALE, run) + 1, len(whole) + 1))
    assert curve["loss"].tolist() == whole["loss"].tail(len(curve)).tolist()


@pytest.mark.parametrize("changes", [{"stop": 0.5}, {"epochs": 2}])
def test_a_training_that_branches_has_one_epoch_and_its_decay(changes):
    with pytest.raises(MIRError, match="one epoch and goes to its end"):
        run_of(**changes)


def test_longer_trainings_begin_as_shorter_ones_do(layout):
    shared = [trunk.trunk_name(run_of(data=share)) for share in (0.125, 1, 8)]
    assert len(set(shared)) == 1 and trunk.trunk_name(run_of(seed=1)) not in shared
    short, long = run_of(data=1.0), run_of(data=8.0)
    steps = range(short.pretraining.steps(SCALE))
    assert [batch_indices(short, SCALE, step) for step in steps] == [
        batch_indices(long, SCALE, step) for step in steps
    ]
    assert trunk.branch_step(SCALE, short) in trunk.marks(SCALE, shared[0])
    assert set(trunk.marks(SCALE, shared[0])) >= {0, 24 // SCALE.batch_size}


def test_every_pair_is_seen_once_and_captions_of_a_batch_are_of_one_length():
    run = run_of(data=8.0)
    batches = [batch_indices(run, SCALE, step) for step in range(run.pretraining.steps(SCALE))]
    assert sorted(index for batch in batches for index in batch) == list(range(8 * SCALE.pairs))
    assert batches != [batch_indices(run_of(data=8.0, seed=1), SCALE, step) for step in range(len(batches))]

    def spread(members):
        return np.ptp([len(caption_of(index, "long")) for index in members])

    unsorted = np.random.default_rng(0).permutation(8 * SCALE.pairs).reshape(-1, SCALE.batch_size)
    assert np.mean([spread(batch) for batch in batches]) < 0.5 * np.mean(
        [spread(batch) for batch in unsorted]
    )


def test_mir_along_a_training_is_that_of_its_checkpoints(layout, tmp_path):
    scale = replace(SCALE, experiments=("data scale",), pairs=16)  # no longer than a few steps
    shared, layout = layout, Layout(tmp_path)
    for name in ("stage0", "features", "probe"):
        (layout.root / name).symlink_to(shared.root / name)
    measure_along(scale, layout, "cpu")
    table = table_along(scale, layout)
    (name,) = trunk.trunks(scale)
    assert table["samples"].tolist() == [4 * step for step in trunk.marks(scale, name)]
    assert np.isfinite(table.drop(columns="trunk").to_numpy(float)).all()
    first, last = table.iloc[0], table.iloc[-1]
    assert last["loss"] < first["loss"]
    saved = MIRResult.load(layout.along(name, 0) / "scenes.json")
    assert saved.pairs == scale.probe_pairs and first["mir"] == saved.mir
    assert first["vision_spread"] == pytest.approx(
        np.mean([math.log10(layer.vision_variance / layer.text_variance) for layer in saved.layers])
    )
    # The first row is the untrained model's, on the same pictures with the built-in passages.
    model, processor = new_model(run_of(data=8.0), layout)
    images = [pair.image for pair in local_pairs(layout.probe / "images", layout.probe / "texts")]
    passages = [Pair(image, text) for image, text in zip(images, builtin_texts(), strict=False)]
    assert first["mir_passages"] == pytest.approx(measure(model, processor, passages, progress=False).mir)
    assert json.loads((layout.along(name, 0) / "numbers.json").read_text())["loss"] == first["loss"]


def test_the_real_study_has_what_its_question_needs():
    main = [
        run
        for run in runs(REAL)
        if run.pretraining in [Pretraining(**c) for c in PLANS["real"]["data scale"].variants.values()]
    ]
    assert len({run.pretraining.data for run in main}) >= 6 and len({run.seed for run in main}) >= 2
    assert most_pairs(REAL) >= 25_000
    assert {run.pretraining.unlocked for run in runs(REAL)} == {"none", "lora"}
    assert {run.pretraining.rate for run in runs(REAL)} == {3e-4, 1e-3, 3e-3}
    assert {run.pretraining.start for run in runs(REAL)} == {1.0, 12.0}
