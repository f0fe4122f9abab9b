from dataclasses import replace

import pytest
import torch

from mir_task.study.experiments import Pretraining, Run
from mir_task.study.language import train_language_model
from mir_task.study.layout import Layout
from mir_task.study.run import run_study
from mir_task.study.scales import SMOKE
from mir_task.study.vision import train_vision_encoder


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Models this small gain nothing from more, and lose much where tests share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


TINY = replace(
    SMOKE,
    text_documents=60,
    text_steps=30,
    vision_steps=40,
    batch_size=8,
    pairs=32,
    sft_steps=8,
    probe_pairs=6,
    baseline_examples=6,
    questions=2,
    experiments=("MoCa",),
)
BASE = Run(Pretraining(), 0)


@pytest.fixture(scope="package")
def stage_zero(tmp_path_factory):
    """Folders of a language model with its processor and of a vision tower, trained for a few steps."""
    root = tmp_path_factory.mktemp("stage_zero")
    for name in ("language", "vision"):
        (root / name).mkdir()
    train_language_model(TINY, root / "language", "cpu")
    train_vision_encoder(TINY, root / "language", root / "vision", "cpu")
    return root / "language", root / "vision"


@pytest.fixture(scope="package")
def study(tmp_path_factory):
    """A whole study of one run."""
    layout = Layout(tmp_path_factory.mktemp("study"))
    run_study(TINY, layout.root, "cpu")
    return layout
