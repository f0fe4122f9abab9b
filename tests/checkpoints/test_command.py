"""``python -m mir_task.checkpoints convert``."""

import pytest
from transformers import LlavaForConditionalGeneration

from mir_task.checkpoints.__main__ import main
from tests.checkpoints import original


@pytest.fixture
def command(llm, tower, tmp_path):
    stage1 = original.save_stage1(tmp_path / "run", llm, tower)
    return ["convert", str(stage1), "--base_llm", str(llm), "--output", str(tmp_path / "converted")]


def test_convert_writes_an_ordinary_checkpoint_and_prints_its_folder(command, tmp_path, capsys):
    assert main(command) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "converted")
    assert LlavaForConditionalGeneration.from_pretrained(tmp_path / "converted")


def test_convert_never_overwrites(command, tmp_path, capsys):
    (tmp_path / "converted").mkdir()
    (tmp_path / "converted" / "notes.txt").touch()
    assert main(command) == 1
    assert "converted is not empty; name a new folder" in capsys.readouterr().err
