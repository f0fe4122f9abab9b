"""What the pages promise exists, what exists is described, and the pages lead to each other."""

import ast
import inspect
import json
import math
import re
from urllib.parse import urlparse

import pytest
import yaml
from PIL import Image

import mir_task
from mir_task.adapters import ADAPTERS, CROSS_ATTENTION, families
from mir_task.adapters.recipes import RECIPES
from mir_task.lmms.task import CaptionPerplexityTask, MIRTask
from tests.conftest import REPOSITORY

PAGES = {
    name: (REPOSITORY / name).read_text(encoding="utf-8")
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "tasks/README.md",
        "mir_task/README.md",
        "mir_task/adapters/README.md",
        "mir_task/checkpoints/README.md",
        "mir_task/report/README.md",
        "mir_task/training/README.md",
        "results/README.md",
        "results/benchmarks/README.md",
        "results/faults.md",
        "results/study/README.md",
    )
}
README, TASKS, PYTHON = PAGES["README.md"], PAGES["tasks/README.md"], PAGES["mir_task/README.md"]
LINKED = [name for name in PAGES if name not in ("README.md", "CHANGELOG.md")]


def section(page, title):
    return PAGES[page].split(f"## {title}\n")[1].split("\n## ")[0]


def without_code(text):
    return re.sub(r"```.*?```", "", text, flags=re.S)


def first_cells(text):
    """What stands in backquotes in the first column of a section's tables."""
    return re.findall(r"`([\w-]+)[^`]*`", "".join(re.findall(r"^\|(.*?)\|", text, re.M)))


def example(page, number=0):
    return re.findall(r"```python\n(.*?)```", PAGES[page], re.S)[number]


def run(code, names=None, **replacements):
    """Run an example after replacing what a test cannot have; each must be in it."""
    for old, new in replacements.items():
        assert old in code
        code = code.replace(old, new)
    names = {} if names is None else names
    exec(compile(code, "example", "exec"), names)
    return names


# The front page


def test_front_page_can_be_read_in_one_sitting():
    assert len(README.encode()) <= 8192


def test_front_page_has_its_parts_in_order():
    marks = ["# mir-task", "<picture>", "## What MIR is", "## Install", "make demo", "make test"]
    marks += ["## Measure a real model", "```python", "## More", "```bibtex"]
    places = [README.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "\n\n" not in README[: places[1]].split("\n\n", 1)[1].strip()  # one paragraph
    assert README[: places[1]].count(". ") == 0  # of one sentence


def test_front_page_shows_a_picture_in_light_and_dark():
    light = re.findall(r'<img src="(\S+)"', README)
    dark = re.findall(r'prefers-color-scheme: dark\)" srcset="(\S+)"', README)
    assert light and dark and light != dark
    assert all((REPOSITORY / file).is_file() for file in light + dark)


def test_front_page_shows_what_the_demo_prints(demo_result):
    # The demo's checkpoint is a model of the study, whose results are kept.
    (file,) = (REPOSITORY / "results/study/mir/unlocked-all_s0").glob("*_mir_mir_builtin.json")
    kept = json.loads(file.read_text())
    layers = kept["layers"]
    known = {
        "mir": kept["mir"],
        "mir_pairs": kept["pairs"],
        "mir_per_layer": kept["mir"] - math.log10(len(layers)),
        "mir_reference": kept["mir_reference"],
        "mir_se": kept["standard_error"],
        "text_tokens_per_pair": layers[0]["text_tokens"] / kept["pairs"],
        "vision_tokens_per_pair": layers[0]["vision_tokens"] / kept["pairs"],
        # Not in the kept file, which is of 0.3.
        "mir_norm_matched": demo_result.mir_norm_matched,
        "norm_ratio": demo_result.norm_ratio,
        "image_share": demo_result.image_share,
    }
    shown = re.findall(r"^\|mir_builtin\|none  \|     0\|(\w+) *\|. *\| *([\d.]+)\|", README, re.M)
    assert {name: float(value) for name, value in shown} == pytest.approx(known, abs=1e-4)
    assert sorted(known) == [name for name, _ in shown] == sorted(MIRTask.metrics)


@pytest.mark.parametrize("name", LINKED)
def test_front_page_leads_to_every_page(name):
    assert f"]({name}" in README


# Links


def anchors(text):
    titles = re.findall(r"^#+ (.*)$", without_code(text), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", list(PAGES))
def test_links_resolve(name):
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(PAGES[name]))
    for link in links:
        if urlparse(link).scheme:
            continue
        path, _, anchor = link.partition("#")
        file = ((REPOSITORY / name).parent / path).resolve() if path else REPOSITORY / name
        assert file.exists(), f"{name} links to {link}"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{name} links to {link}"


@pytest.mark.parametrize("name", list(PAGES))
def test_files_of_tests_that_are_named_exist(name):
    for file in re.findall(r"`(tests/[\w/]+\.py)`", PAGES[name]):
        assert (REPOSITORY / file).is_file(), f"{name} names {file}"


# Tasks


def test_every_task_is_described():
    files = (REPOSITORY / "tasks" / "mir").glob("*.yaml")
    names = [yaml.load(file.read_text(), yaml.BaseLoader)["task"] for file in files]
    described = re.findall(r"^\| `(mir\w*)` \|", TASKS.split("## Settings")[0], re.M)
    assert sorted(described) == sorted(names)


def test_every_setting_is_described():
    files = [file for room in ("lmms", "data") for file in (REPOSITORY / "mir_task" / room).glob("*.py")]
    texts = [
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    read = set(re.findall(r"\bMIR_[A-Z_]*[A-Z]\b", " ".join(texts)))
    assert sorted(first_cells(section("tasks/README.md", "Settings"))) == sorted(read)


def test_every_metric_is_described():
    text = section("tasks/README.md", "Metrics")
    assert first_cells(text) == [*MIRTask.metrics, *CaptionPerplexityTask.metrics]


def test_metrics_of_families_and_levels_exist():
    from mir_task.lmms.breakdown import metric_names

    levels = set(re.findall(r"`(mir_\w*similarity_\d)`", TASKS))
    variants = set(re.findall(r"`(mir_align_\w+)`", PAGES["mir_task/checkpoints/README.md"]))
    assert levels == {"mir_similarity_1", "mir_se_similarity_1"}
    assert variants == {"mir_align_level_0", "mir_align_level_7", "mir_align_spread"}
    assert levels | variants <= set(metric_names(4))


def test_every_fault_has_the_test_that_it_names():
    rows = re.findall(r"^\| [^-*].* \|$", PAGES["results/faults.md"], re.M)[1:]
    assert len(rows) >= 15
    named = 0
    for row in rows:
        file = ""
        for path, name in re.findall(r"`([\w/]*)::(\w+)`", row):
            file = path or file
            assert f"def {name}(" in (REPOSITORY / "tests" / f"{file}.py").read_text(), f"{file}::{name}"
            named += 1
    assert named >= len(rows) - 1  # one says "the same"


# Commands


def test_every_make_target_is_described_and_exists():
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split())
    assert targets <= set(re.findall(r"^([\w-]+):", makefile, re.M))
    named = {target for page in PAGES.values() for target in re.findall(r"make ([a-z-]+)`", page)}
    named |= set(re.findall(r"^make ([a-z-]+)", README, re.M))
    assert targets - {"clean"} <= named <= targets


def test_every_option_of_the_report_is_described(capsys):
    from mir_task.report.cli import main

    with pytest.raises(SystemExit):
        main(["--help"])
    # One option may be written in two ways.
    options = {
        name.replace("-", "_") for name in re.findall(r"--([a-z][a-z_-]+)", capsys.readouterr().out)
    } - {"help"}
    described = re.findall(r"^\| `--([\w-]+)", section("mir_task/report/README.md", "Options"), re.M)
    assert sorted(name.replace("-", "_") for name in described) == sorted(options)


def test_every_argument_of_a_checkpoint_exists_and_is_described():
    from mir_task.checkpoints import load
    from mir_task.checkpoints.settings import Settings

    page = PAGES["mir_task/checkpoints/README.md"]
    arguments = set(inspect.signature(load).parameters) - {"settings"}
    assert set(re.findall(r"`(\w+)=", page)) <= arguments | set(Settings.model_fields)
    assert all(f"{name}=" in page for name in arguments)


# Python


def test_every_public_name_is_described_and_exists():
    for name in mir_task.__all__:
        assert re.search(rf"`{name}\b", PYTHON), name
        assert getattr(mir_task, name).__name__ == name
    assert set(dir(mir_task)) == set(mir_task.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mir_task.nothing  # noqa: B018


def test_every_argument_of_measure_is_described():
    arguments = inspect.signature(mir_task.measure).parameters
    told = PYTHON.split("Settings of `measure`:")[1].split("\n\n")[0]
    described = set(re.findall(r"`(\w+)[=`]", told))
    assert described == {
        name for name, argument in arguments.items() if argument.kind == argument.KEYWORD_ONLY
    }


def test_every_argument_of_the_callback_is_described():
    page = PAGES["mir_task/training/README.md"]
    arguments = set(inspect.signature(mir_task.MIRCallback).parameters) - {"trainer", "pairs"}
    assert all(re.search(rf"\b{name}\b", page) for name in arguments), arguments


def test_supported_models_are_those_of_the_registry():
    page = PAGES["mir_task/adapters/README.md"]
    assert families.markdown() in page, "run: python -m mir_task.families"
    classes = {name for recipe in RECIPES for name in recipe.systems.model_types}
    named = set(re.findall(r"`([\w-]+)`", families.markdown()))
    assert named == {"model_type", "Pipeline", *ADAPTERS, *classes}
    assert "mllama" in page and "mllama" in CROSS_ATTENTION


def test_table_of_models_is_printed(capsys):
    families.main()
    assert capsys.readouterr().out.startswith(families.markdown())


# Examples


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """The files that examples name, in the folder in which they run."""
    monkeypatch.chdir(tmp_path)
    for folder in ("photos", "articles"):
        (tmp_path / folder).mkdir()
    for name, color in (("photo", "red"), ("other", "blue")):
        image = Image.new("RGB", (50, 70), color)
        image.save(f"{name}.jpg")
        image.save(f"photos/{name}.jpg")
        (tmp_path / "articles" / f"{name}.txt").write_text(f"A page about {color}.")
    return tmp_path


def on_this_machine(checkpoint):
    return {"llava-hf/llava-1.5-7b-hf": str(checkpoint), 'device_map="auto"': 'device_map="cpu"'}


def test_example_of_the_front_page_runs(photos, checkpoint):
    fewer = {"builtin_pairs()": "builtin_pairs(4)"}
    run(example("README.md"), **on_this_machine(checkpoint), **fewer)
    assert mir_task.MIRResult.load("mir.json").pairs == 4


def test_example_with_own_pairs_runs(photos, checkpoint):
    longer = {"Some text.": "Some text. " * 20}
    run(example("mir_task/README.md"), **on_this_machine(checkpoint), **longer)
    assert mir_task.MIRResult.load("mir.json").pairs == 2


def test_example_of_pairs_runs(photos, capsys):
    names = run(example("mir_task/README.md", 1))
    assert len(names["pairs"]) == 20
    assert sorted(pair.id for pair in names["mine"]) == ["other", "photo"]
    assert capsys.readouterr().out.endswith("(50, 70)\n")


def test_example_of_training_runs(tmp_path, monkeypatch, llava):
    from mir_task.demo.pretrain import examples

    monkeypatch.chdir(tmp_path)
    short = {
        "_steps=100": "_steps=1",
        '"run",': '"run", max_steps=2, use_cpu=True, report_to=[],',
        "builtin_pairs()": "builtin_pairs(4)",
    }
    made = examples(*llava, pairs=12)
    names = {"model": llava[0], "processor": llava[1], "train": made[:8], "held_out": made[8:]}
    trainer = run(example("mir_task/training/README.md"), names, **short)["trainer"]
    history = [entry["eval_mir"] for entry in trainer.state.log_history if "eval_mir" in entry]
    assert len(history) == 2 and trainer.state.best_metric == min(history)


def test_example_of_moca_runs(tmp_path, monkeypatch, llava):
    monkeypatch.chdir(tmp_path)
    model = llava[0]
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    run(example("mir_task/training/README.md", 1), {"model": model})
    assert (tmp_path / "moca.safetensors").is_file() and not hasattr(model, "moca")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(trained[name])
