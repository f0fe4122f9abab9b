"""lmms-eval's own command line in several processes, as torchrun starts them."""

import math
import os
import subprocess
import sys

import pytest
import torch

from mir_task import MIRResult, Pair, measure
from mir_task.data import builtin_pairs, open_image

pytestmark = pytest.mark.cli

MODEL = ("--model", "mir_demo", "--tasks", "mir_builtin")


def torchrun(folder, processes, *arguments, **environment):
    """lmms-eval in so many gloo processes of one thread each."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", processes)
    command = [sys.executable, *launcher, "-m", "lmms_eval", *MODEL, *arguments]
    settings = {"ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={**os.environ, **settings, **environment},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


@pytest.fixture(scope="module")
def in_one_process(shared_llava):
    """What the numbers must be, measured here without lmms-eval."""

    def measured(count):
        rows = builtin_pairs({"MIR_NUM_PAIRS": str(count)}).dataset
        pairs = [Pair(open_image(row["image"]), row["text"], row["pair_id"]) for row in rows]
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return measure(*shared_llava, pairs, progress=False)
        finally:
            torch.set_num_threads(threads)

    return measured


@pytest.mark.parametrize(
    ("processes", "pairs"),
    [(1, 5), (2, 5), (3, 2)],
    ids=["one", "pairs that do not divide, so padding", "fewer pairs than processes"],
)
def test_same_number_however_pairs_are_dealt(lmms_eval_cli, tmp_path, in_one_process, processes, pairs):
    output = tmp_path / "out"
    done = torchrun(
        lmms_eval_cli.folder,
        processes,
        "--output_path",
        output,
        MIR_NUM_PAIRS=str(pairs),
        MIR_MAX_MEMORY="64MiB",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = lmms_eval_cli.results(output)["mir_builtin"]
    expected = in_one_process(pairs)
    assert results["mir,none"] == pytest.approx(expected.mir, rel=1e-9)
    assert results["mir_reference,none"] == pytest.approx(expected.mir_reference, rel=1e-9)
    assert results["mir_pairs,none"] == pairs
    (file,) = output.rglob("*_mir_*.json")
    assert MIRResult.load(file).protocol.pair_ids == expected.protocol.pair_ids
    assert "layers at a time" in done.stdout
    assert math.isfinite(results["mir,none"])
