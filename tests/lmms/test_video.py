"""decord, the video reader of lmms-eval's model classes, is missing: on ARM and on macOS it is not to be had."""

import importlib
import math
import os
import subprocess
import sys

import pytest
from loguru import logger

from mir_task.lmms.video import decord_or_stand_in
from tests.conftest import REPOSITORY

WITHOUT_DECORD = "import sys; sys.modules['decord'] = None\n"


def python(code, *arguments):
    """Run code in a process in which decord cannot be imported, and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", WITHOUT_DECORD + code, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.cli
def test_the_demo_runs(lmms_eval_cli, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_DECORD)
    done = lmms_eval_cli(
        *("--model", "mir_demo", "--tasks", "mir_builtin", "--limit", 3, "--output_path", tmp_path / "out"),
        path=[tmp_path, REPOSITORY],
    )
    assert "decord" not in done.stdout + done.stderr
    results = lmms_eval_cli.results(tmp_path / "out")["mir_builtin"]
    assert results["mir_pairs,none"] == 3 and math.isfinite(results["mir,none"])


def test_own_models_are_there():
    said = python("""
from lmms_eval.models import get_model

print(*(get_model(name).__name__ for name in ("mir_demo", "llava_pretrain", "mir_study")))
""")
    assert said == "MirDemo LlavaPretrain MirStudy\n"


@pytest.mark.parametrize("name", ["llava_hf", "qwen2_5_vl"])
def test_models_that_need_it_say_what_to_install(name, monkeypatch):
    from lmms_eval.models import get_model

    monkeypatch.setitem(sys.modules, "decord", None)
    for module in [module for module in sys.modules if module.endswith(f".{name}")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ModuleNotFoundError, match=rf"model {name} imports decord.*'mir-task\[video\]'"):
        get_model(name)


def test_other_errors_of_models_stay_as_they_are():
    from lmms_eval.models import get_model

    with pytest.raises(ValueError, match="'no_such_model' not found"):
        get_model("no_such_model")


def test_measuring_in_python_needs_none(checkpoint):
    said = python(
        """
from transformers import AutoProcessor, LlavaForConditionalGeneration

from mir_task import MIRCallback, measure
from mir_task.data import builtin_pairs

model, processor = (kind.from_pretrained(sys.argv[1]) for kind in (LlavaForConditionalGeneration, AutoProcessor))
print(measure(model, processor, builtin_pairs(count=2), progress=False).pairs)
""",
        checkpoint,
    )
    assert said == "2\n"


@pytest.fixture
def stand_in(monkeypatch):
    """Stand-in for decord, as a module sees it that is imported in its place."""
    monkeypatch.setitem(sys.modules, "decord", None)
    with decord_or_stand_in():
        return importlib.import_module("decord")


def test_a_video_says_what_to_install(stand_in):
    logged = []
    sink = logger.add(logged.append, level="ERROR")
    try:
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'mir-task\[video\]'"):
            stand_in.VideoReader("film.mp4", ctx=stand_in.cpu)
    finally:
        logger.remove(sink)
    assert "this video needs decord" in logged[0]


def test_a_stand_in_is_there_no_longer_than_it_is_needed(stand_in):
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("decord")


def test_decord_itself_is_used_where_it_is_installed(tmp_path, monkeypatch):
    (tmp_path / "decord.py").write_text("VideoReader = 'the real one'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "decord", raising=False)
    with decord_or_stand_in():
        assert importlib.import_module("decord").VideoReader == "the real one"
    sys.modules.pop("decord")
