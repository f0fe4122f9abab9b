"""What the README promises exists."""

import re

import pytest
import yaml
from PIL import Image

import mir_task
from mir_task.adapters import ADAPTERS, CROSS_ATTENTION, families
from mir_task.lmms.task import METRICS
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
TASKS = sorted(REPOSITORY.glob("tasks/mir/*.yaml"))


def section(title):
    return README.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_task_is_described():
    names = [yaml.load(file.read_text(), yaml.BaseLoader)["task"] for file in TASKS]
    assert sorted(re.findall(r"^\| `(mir\w*)` \|", section("Tasks"), re.M)) == sorted(names)


def test_every_setting_is_described():
    package = REPOSITORY / "mir_task"
    code = "".join(file.read_text() for file in package.glob("lmms/*settings.py"))
    described = re.findall(r"^\| `(MIR_\w+)` \|", section("Tasks"), re.M)
    assert sorted(described) == sorted(set(re.findall(r"MIR_[A-Z_]+", code)))


def test_every_metric_is_described():
    described = re.findall(r"`(\w+)`", "".join(re.findall(r"^\|(.*?)\|", section("What you get"), re.M)))
    assert described == list(METRICS)


def test_every_fault_has_the_test_that_it_names():
    rows = re.findall(r"^\| [^-*].* \|$", (REPOSITORY / "results" / "faults.md").read_text(), re.M)[1:]
    assert len(rows) >= 15
    named = 0
    for row in rows:
        file = ""
        for path, name in re.findall(r"`([\w/]*)::(\w+)`", row):
            file = path or file
            assert f"def {name}(" in (REPOSITORY / "tests" / f"{file}.py").read_text(), f"{file}::{name}"
            named += 1
    assert named >= len(rows) - 1  # one says "the same"


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
    (example,) = re.findall(r"```python\n(.*?)```", section("Without lmms-eval"), re.S)
    monkeypatch.chdir(tmp_path)
    for name, color in (("photo", "red"), ("other", "blue")):
        Image.new("RGB", (50, 70), color).save(f"{name}.jpg")
    example = example.replace("llava-hf/llava-1.5-7b-hf", str(checkpoint)).replace(
        'device_map="auto"', 'device_map="cpu"'
    )
    example = example.replace("Some text.", "Some text. " * 20)
    exec(compile(example, "README.md", "exec"), {})
    assert mir_task.MIRResult.load("mir.json").pairs == 2


def test_pretraining_example_runs(tmp_path, monkeypatch, llava):
    from mir_task.demo.pretrain import examples

    (example,) = re.findall(r"```python\n(.*?)```", section("Pre-training"), re.S)
    monkeypatch.chdir(tmp_path)
    short = {
        "_steps=100": "_steps=1",
        '"run",': '"run", max_steps=2, use_cpu=True, report_to=[],',
        "builtin_pairs()": "builtin_pairs(4)",
    }
    for old, new in short.items():
        assert old in example
        example = example.replace(old, new)
    made = examples(*llava, pairs=12)
    names = {"model": llava[0], "processor": llava[1], "train": made[:8], "held_out": made[8:]}
    exec(compile(example, "README.md", "exec"), names)
    trainer = names["trainer"]
    history = [entry["eval_mir"] for entry in trainer.state.log_history if "eval_mir" in entry]
    assert len(history) == 2 and trainer.state.best_metric == min(history)


def test_every_argument_of_pretraining_exists():
    import inspect

    from mir_task.checkpoints import load
    from mir_task.checkpoints.settings import Settings
    from mir_task.lmms.breakdown import metric_names

    text = section("Pre-training")
    known = {*inspect.signature(load).parameters, *Settings.model_fields}
    assert set(re.findall(r"`(\w+)=", text)) - {"at", "every_steps", "pretrained"} <= known
    assert {"mir_align_level_0", "mir_align_spread", "mir_similarity_1"} <= set(metric_names(4))
    for metric in ("mir_align_level_0", "mir_align_spread", "mir_similarity_1"):
        assert f"`{metric}`" in text
