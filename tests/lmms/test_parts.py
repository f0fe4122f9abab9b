"""What of lmms-eval the plugin builds on: tested by what is there, named where it is not."""

import re
import sys

import pytest
from lmms_eval.models import list_available_models
from loguru import logger
from packaging.specifiers import SpecifierSet

from mir_task.lmms import plugin
from tests.conftest import REPOSITORY

PARTS = [f"{module}.{name}" for module, names in plugin.NEEDED.items() for name in names]


@pytest.fixture
def warnings():
    """What loguru is told at level WARNING."""
    told = []
    sink = logger.add(told.append, level="WARNING", format="{message}")
    yield told
    logger.remove(sink)


def test_this_lmms_eval_has_every_part(warnings):
    plugin.register()
    assert not warnings
    assert set(plugin.MODELS) <= set(list_available_models())


@pytest.mark.parametrize(
    "missing", ["lmms_eval.tasks", "lmms_eval.api.model", "lmms_eval.models.registry_v2"]
)
def test_a_missing_module_is_named_and_never_fatal(monkeypatch, warnings, missing):
    monkeypatch.setitem(sys.modules, missing, None)  # importing it raises ImportError
    manifests = plugin.register()
    assert [manifest.model_id for manifest in manifests] == (
        [] if "registry" in missing else list(plugin.MODELS)
    )
    assert re.search(rf"lacks what mir-task builds on: .*{missing}\.\w+", warnings[0])


@pytest.mark.parametrize("part", PARTS)
def test_each_missing_part_is_named_alone(monkeypatch, warnings, part):
    monkeypatch.delattr(part)
    plugin.register()
    assert f"builds on: {part}. Its tasks will not work" in warnings[0]


def test_what_is_there_counts_and_not_the_version(monkeypatch, warnings):
    for version in ("0.7.2", "0.7.3", "1.0"):
        monkeypatch.setattr(plugin.metadata, "version", lambda _name, version=version: version)
        plugin.register()
    assert not warnings


def test_the_pin_allows_lmms_evals_git_head():
    # It has all parts and calls itself 0.7.2.
    (pin,) = re.findall(r'^  "lmms-eval(.*?)",', (REPOSITORY / "pyproject.toml").read_text(), re.M)
    assert {"0.7.2", "0.7.3"} <= set(SpecifierSet(pin).filter(["0.7.2", "0.7.3", "0.8"]))
