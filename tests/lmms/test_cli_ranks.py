"""lmms-eval's own command line in three processes, as torchrun starts them; test_cli has one and two."""

import pytest

from mir_task import MIRResult, Pair, measure
from mir_task.data import builtin_pairs, local_pairs, open_image

pytestmark = pytest.mark.cli

LIMIT = 5


def test_pairs_that_three_processes_cannot_share_evenly_and_fewer_than_processes(
    lmms_eval_cli, tmp_path, demo_llava, one_thread
):
    """Five pairs of one task, and two of another in the same run."""
    (tmp_path / "images").mkdir()
    (tmp_path / "texts").mkdir()
    for row in builtin_pairs({"MIR_NUM_PAIRS": "2"}).dataset:
        open_image(row["image"]).save(tmp_path / "images" / f"{row['pair_id']}.png")
        (tmp_path / "texts" / f"{row['pair_id']}.txt").write_text(row["text"])
    environment = {"MIR_IMAGES": str(tmp_path / "images"), "MIR_TEXTS": str(tmp_path / "texts")}
    done = lmms_eval_cli(
        *("--model", "mir_demo", "--tasks", "mir_builtin,mir_local", "--limit", LIMIT),
        *("--output_path", tmp_path / "out"),
        environment=environment | {"MIR_MAX_MEMORY": "64MiB"},
        processes=3,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 layers at a time" in done.stdout  # of four, in so little memory
    datasets = {
        "mir_builtin": builtin_pairs({}).dataset.select(range(LIMIT)),
        "mir_local": local_pairs(environment).dataset,
    }
    results = lmms_eval_cli.results(tmp_path / "out")
    for task, dataset in datasets.items():
        pairs = [Pair(open_image(row["image"]), row["text"], row["pair_id"]) for row in dataset]
        expected = measure(*demo_llava, pairs, progress=False)
        assert results[task]["mir,none"] == pytest.approx(expected.mir, rel=1e-9)
        assert results[task]["mir_reference,none"] == pytest.approx(expected.mir_reference, rel=1e-9)
        assert results[task]["mir_pairs,none"] == len(pairs) == (LIMIT if task == "mir_builtin" else 2)
        (file,) = (tmp_path / "out").rglob(f"*_mir_{task}.json")
        assert MIRResult.load(file).protocol.pair_ids == expected.protocol.pair_ids
