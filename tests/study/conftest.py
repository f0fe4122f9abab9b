from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from mir_task.study.experiments import Pretraining, Run
from mir_task.study.features import Features, write_features
from mir_task.study.language import build_processor, make_language_model
from mir_task.study.layout import Layout
from mir_task.study.run import run_study
from mir_task.study.scales import SMOKE
from mir_task.study.vision import make_vision_tower
from mir_task.study.world import Stream


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Models this small gain nothing from more, and lose much where tests share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


TINY = replace(
    SMOKE,
    language=replace(SMOKE.language, steps=30),
    vision=replace(SMOKE.vision, steps=40),
    batch_size=8,
    pairs=32,
    sft_steps=8,
    probe_pairs=6,
    baseline_examples=6,
    questions=2,
    experiments=("MoCa",),
)
BASE = Run(Pretraining(), 0)


class StageZero(NamedTuple):
    """Folders of a language model with its processor, and of a vision tower."""

    language: Path
    vision: Path


@pytest.fixture(scope="package")
def stage_zero(tmp_path_factory):
    """A language model and a vision tower, trained for a few steps."""
    root = tmp_path_factory.mktemp("stage_zero")
    for name in ("processor", "language", "vision"):
        (root / name).mkdir()
    build_processor(TINY).save_pretrained(root / "processor")
    make_language_model(TINY, root / "processor", root / "language", "cpu")
    make_vision_tower(TINY, root / "processor", root / "vision", "cpu")
    return StageZero(root / "language", root / "vision")


@pytest.fixture(scope="package")
def features(stage_zero, tmp_path_factory):
    """Features of the pictures of stages 1 and 2, by stream."""
    found = {}
    for stream in (Stream.CAPTIONS, Stream.QUESTIONS):
        folder = tmp_path_factory.mktemp("features")
        write_features(stage_zero.vision, stage_zero.language, stream, 2 * TINY.pairs, folder)
        found[stream] = Features(folder)
    return found


@pytest.fixture(scope="package")
def study(tmp_path_factory):
    """A whole study of one run."""
    layout = Layout(tmp_path_factory.mktemp("study"))
    run_study(TINY, layout.root, "cpu")
    return layout
