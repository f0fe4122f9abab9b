"""A class of lmms-eval that shows its model black frames instead of the picture must give no number."""

import pytest
from lmms_eval.tasks import TaskManager

from mir_task import MIRModelError
from mir_task.adapters import Pipeline
from mir_task.lmms.backend import model_and_processor
from tests.lmms.evaluation import evaluate
from tests.lmms.stand_in_vila import VILA

FRAMES = 2


@pytest.fixture
def vila(llava, monkeypatch):
    monkeypatch.setenv("MIR_NUM_PAIRS", "3")
    monkeypatch.setattr(llava[0].config, "num_video_frames", FRAMES, raising=False)  # as VILA's config has it
    return VILA(*llava)


def test_black_frames_instead_of_the_picture_are_refused(vila, tmp_path, caplog):
    with pytest.raises(MIRModelError, match="the picture does not reach the model: two different pictures"):
        evaluate(vila, ["mir_builtin"], TaskManager(), tmp_path)
    assert "Failed to load video <PIL.Image.Image" in caplog.text  # caught, as lmms-eval's class does it
    assert not list(tmp_path.rglob("*.json"))


def test_the_same_class_is_measured_where_its_reader_takes_the_picture(vila, tmp_path, monkeypatch):
    monkeypatch.setattr(VILA, "load_video", lambda self, picture, frames: [picture] * frames)
    assert isinstance(model_and_processor(vila)[1], Pipeline)
    written = evaluate(vila, ["mir_builtin"], TaskManager(), tmp_path)
    assert written["results"]["mir_builtin"]["mir_pairs,none"] == 3
    assert written["results"]["mir_builtin"]["vision_tokens_per_pair,none"] == FRAMES * 64
