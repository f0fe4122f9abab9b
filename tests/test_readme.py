"""What the README promises exists."""

import re

import pytest
import yaml
from PIL import Image

import mir_task
from mir_task import families
from mir_task.adapters import ADAPTERS, CROSS_ATTENTION
from mir_task.task import METRICS
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
TASKS = sorted(REPOSITORY.glob("tasks/mir/*.yaml"))


def section(title):
    return README.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_task_is_described():
    names = [yaml.load(file.read_text(), yaml.BaseLoader)["task"] for file in TASKS]
    assert sorted(re.findall(r"^\| `(mir\w*)` \|", section("Tasks"), re.M)) == sorted(names)


def test_every_setting_is_described():
    code = "".join(file.read_text() for file in (REPOSITORY / "mir_task" / "data").glob("*.py"))
    described = re.findall(r"^\| `(MIR_\w+)` \|", section("Tasks"), re.M)
    assert sorted(described) == sorted(set(re.findall(r"MIR_[A-Z_]+", code)))


def test_every_metric_is_described():
    described = re.findall(r"`(\w+)`", "".join(re.findall(r"^\|(.*?)\|", section("What you get"), re.M)))
    assert described == list(METRICS)


def test_every_make_target_exists():
    targets = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.M)
    named = set(re.findall(r"make ([a-z-]+)", README))
    assert {"demo", "test", "bench", "lint"} <= named <= set(targets)


def test_every_public_name_is_described_and_exists():
    for name in mir_task.__all__:
        assert name in README
        assert getattr(mir_task, name).__name__ == name
    assert set(dir(mir_task)) == set(mir_task.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mir_task.nothing  # noqa: B018


def test_supported_models_are_those_of_the_registry():
    text = section("Supported models")
    assert families.markdown() in text
    assert set(re.findall(r"`([\w-]+)`", families.markdown())) == {"model_type", *ADAPTERS}
    assert "mllama" in text and "mllama" in CROSS_ATTENTION


def test_table_of_models_is_printed(capsys):
    families.main()
    assert capsys.readouterr().out.startswith(families.markdown())


def test_example_runs(tmp_path, monkeypatch, checkpoint):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    monkeypatch.chdir(tmp_path)
    for name, color in (("photo", "red"), ("other", "blue")):
        Image.new("RGB", (50, 70), color).save(f"{name}.jpg")
    example = example.replace("llava-hf/llava-1.5-7b-hf", str(checkpoint)).replace(
        'device_map="auto"', 'device_map="cpu"'
    )
    example = example.replace("Some text.", "Some text. " * 20)
    exec(compile(example, "README.md", "exec"), {})
    assert mir_task.MIRResult.load("mir.json").pairs == 2
