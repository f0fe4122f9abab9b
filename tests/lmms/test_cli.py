"""The product as its users meet it: lmms-eval's own command line, from an empty folder."""

import json
import math
import re
from pathlib import Path

import pytest

from mir_task import MIRResult, measure
from mir_task.data import local_pairs

pytestmark = pytest.mark.cli

COLOUR_TASK = Path(__file__).parent / "colour_task"


def llava_arguments(checkpoint):
    return ("--model", "llava_hf", "--model_args", f"pretrained={checkpoint},device=cpu,device_map=cpu")


def test_mir_beside_another_task_in_one_run(lmms_eval_cli, tmp_path):
    done = lmms_eval_cli(
        *("--model", "mir_demo", "--tasks", "mir_builtin,colour", "--include_path", COLOUR_TASK),
        *("--output_path", tmp_path / "out", "--log_samples"),
        environment={"MIR_NUM_PAIRS": "5"},
    )
    results = lmms_eval_cli.results(tmp_path / "out")
    assert math.isfinite(results["mir_builtin"]["mir,none"])
    assert results["mir_builtin"]["mir_pairs,none"] == 5
    assert "exact_match,none" in results["colour"]
    # The table: lower is better, and no standard error that nobody computed.
    assert re.search(r"\|mir_builtin\|none +\| +0\|mir +\|↓ +\| +[\d.-]+\|± +\|N/A", done.stdout)
    assert "Stderr_CLT" not in re.search(r"\| *Tasks.*", done.stdout)[0] or "|colour" in done.stdout
    assert not any(results["mir_builtin"][key] != "N/A" for key in results["mir_builtin"] if "stderr" in key)


NOT_INSTALLED = """
from importlib import metadata
every = metadata.distributions
metadata.distributions = lambda **of: (one for one in every(**of) if one.metadata["Name"] != "mir-task")
"""
TELL = """
import atexit, sys
atexit.register(lambda: print("plugin loaded:", "mir_task.lmms.plugin" in sys.modules))
"""


def test_another_tasks_samples_are_the_same_with_and_without_the_plugin(lmms_eval_cli, tmp_path, checkpoint):
    samples, results = {}, {}
    for loaded in (True, False):
        start = tmp_path / f"start-{loaded}"  # Python runs its sitecustomize first
        start.mkdir()
        (start / "sitecustomize.py").write_text(TELL + ("" if loaded else NOT_INSTALLED))
        output = tmp_path / f"out-{loaded}"
        done = lmms_eval_cli(
            *(*llava_arguments(checkpoint), "--tasks", "colour", "--include_path", COLOUR_TASK),
            *("--output_path", output, "--log_samples"),
            path=[start],
        )
        assert f"plugin loaded: {loaded}\n" in done.stdout, done.stderr
        (file,) = output.rglob("*_samples_colour.jsonl")
        samples[loaded] = file.read_bytes()
        (file,) = output.rglob("*_results.json")
        told = json.loads(re.sub(r" at 0x\w+", "", file.read_text()))  # where a function lies in memory
        results[loaded] = {key: told[key] for key in ("results", "configs", "n-samples", "task_hashes")}
    assert samples[True] == samples[False] and len(samples[True].splitlines()) == 2
    assert results[True] == results[False]


def test_local_files_in_one_and_two_processes_and_without_lmms_eval(
    lmms_eval_cli, tmp_path, checkpoint, llava, folders, one_thread
):
    # Seven pairs, so that lmms-eval has to pad what one of two processes gets.
    images, texts = folders
    environment = {"MIR_IMAGES": str(images), "MIR_TEXTS": str(texts), "MIR_NUM_PAIRS": "7"}
    command = (*llava_arguments(checkpoint), "--tasks", "mir_local", "--output_path")
    for processes, run in enumerate(("first", "second"), start=1):
        done = lmms_eval_cli(*command, tmp_path / run, environment=environment, processes=processes)
        assert done.returncode == 0, done.stdout + done.stderr
    first, second = (lmms_eval_cli.results(tmp_path / run)["mir_local"] for run in ("first", "second"))
    assert math.isfinite(first["mir,none"])
    for name in ("mir,none", "mir_per_layer,none", "mir_reference,none", "mir_se,none"):
        assert second[name] == pytest.approx(first[name], rel=1e-9)
    assert second["mir_pairs,none"] == first["mir_pairs,none"] == 7

    pairs = local_pairs(images, texts, count=7)
    direct = measure(*llava, pairs, progress=False)
    assert direct.mir == first["mir,none"]

    (file,) = (tmp_path / "first").rglob("*_mir_*.json")
    (own,) = (tmp_path / "first").rglob("*_results.json")
    assert file.parent == own.parent
    saved = MIRResult.load(file)
    assert saved.mir == first["mir,none"]
    assert saved.layers == direct.layers
    assert saved.protocol.pair_ids == pairs.ids

    record, other = (
        json.loads(file.read_text())["configs"]["mir_local"]["protocol"]
        for run in ("first", "second")
        for file in (tmp_path / run).rglob("*_results.json")
    )
    assert record == other
    assert (record["images"], record["pairs"]) == (str(images), 7)
    assert record["template_sha256"] == saved.protocol.template_sha256


def test_limit_measures_fewer_pairs(lmms_eval_cli, tmp_path):
    command = ("--model", "mir_demo", "--tasks", "mir_builtin", "--limit", 3, "--output_path")
    lmms_eval_cli(*command, tmp_path / "out")
    assert lmms_eval_cli.results(tmp_path / "out")["mir_builtin"]["mir_pairs,none"] == 3


def test_tasks_are_listed(lmms_eval_cli):
    listed = lmms_eval_cli("--tasks", "list").stdout
    assert all(f" - {name}\n" in listed for name in ("mir", "mir_builtin", "mir_local", "mme"))
    assert "mir_study" not in listed


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (("--model", "mir_demo", "--tasks", "mir"), {}, r"task mir needs .* mir_builtin .* mir_local"),
        (
            ("--model", "mir_demo", "--tasks", "mir_local"),
            {"MIR_IMAGES": ""},
            "mir_local needs the environment variable MIR_IMAGES",
        ),
        (
            ("--model", "mir_demo", "--tasks", "mir_builtin", "--num_fewshot", "5", "--batch_size", "auto"),
            {},
            "mir_builtin shows the model one image and its text .* num_fewshot is 5",
        ),
        (
            ("--model", "openai", "--model_args", "model_version=none", "--tasks", "mir_builtin"),
            {"OPENAI_API_KEY": "none"},
            "MIR reads hidden states",
        ),
    ],
)
def test_errors_reach_the_user(lmms_eval_cli, arguments, environment, message):
    done = lmms_eval_cli(*arguments, environment=environment)
    assert re.search(f"Error during evaluation: .*{message}", done.stdout)
