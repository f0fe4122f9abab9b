"""Environment variables that nobody reads are not passed over in silence."""

import ast
import re

import lmms_eval.models  # noqa: F401  (loads the plugins, ours among them)
import pytest
from lmms_eval.tasks import TaskManager, get_task_dict
from loguru import logger

from mir_task.lmms.variables import READ, warn_of_unknown
from tests.conftest import REPOSITORY


@pytest.fixture
def warnings():
    told = []
    sink = logger.add(told.append, level="WARNING", format="{message}")
    yield told
    logger.remove(sink)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MIR_NUM_PAIR", "MIR_NUM_PAIRS"),
        ("MIR_IMAGE", "MIR_IMAGES"),
        ("MIR_MEMORY", "MIR_MAX_MEMORY"),
        ("MIR_Seed", "MIR_SEED"),
        ("MIR_ONERROR", "MIR_ON_ERROR"),
    ],
)
def test_a_misspelt_variable_is_told_with_what_was_meant(warnings, name, meant):
    warn_of_unknown({name: "1", "MIR_CLIP": "known", "PATH": "/bin"})
    (told,) = warnings
    assert re.search(rf"no environment variable {name}, .* did you mean {meant}\?", told)


def test_one_that_is_like_none_is_told_with_those_there_are(warnings):
    warn_of_unknown({"MIR_WOMBAT": "1"})
    assert re.search("MIR_WOMBAT, .*; it reads MIR_IMAGES, .*MIR_ON_ERROR", warnings[0])


def test_several_tasks_of_a_run_warn_once(warnings, monkeypatch):
    monkeypatch.setenv("MIR_NUM_PIARS", "20")
    manager = TaskManager()
    for _ in range(2):
        get_task_dict(["mir_builtin", "mir_caption_ppl_builtin"], manager)
    assert len([told for told in warnings if "MIR_NUM_PIARS" in told]) == 1


def test_the_first_of_several_processes_warns(warnings):
    for rank in ("2", "1", "0"):
        warn_of_unknown({"MIR_SEEED": "1", "RANK": rank})
        assert bool(warnings) == (rank == "0")


def test_known_ones_are_no_reason_to_warn(warnings):
    warn_of_unknown(dict.fromkeys(READ, "1"))
    assert not warnings


def test_those_known_are_those_that_the_code_looks_up():
    room = REPOSITORY / "mir_task" / "lmms"
    found = set()
    for path in (room / "settings.py", room / "pair_settings.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and re.fullmatch("MIR_[A-Z_]+", text):
                found.add(text)
    assert set(READ) == found
