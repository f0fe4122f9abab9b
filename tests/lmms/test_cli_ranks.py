"""lmms-eval's own command line in three processes, as torchrun starts them; test_cli has one and two."""

import pytest

from mir_task import MIRResult, measure
from mir_task.data import builtin_pairs, local_pairs

pytestmark = pytest.mark.cli

LIMIT = 5


def test_pairs_that_three_processes_cannot_share_evenly_and_fewer_than_processes(
    lmms_eval_cli, tmp_path, demo_llava, one_thread
):
    """Five pairs of one task, and two of another in the same run."""
    images, texts = tmp_path / "images", tmp_path / "texts"
    images.mkdir()
    texts.mkdir()
    for pair in builtin_pairs(count=2):
        pair.image.save(images / f"{pair.id}.png")
        (texts / f"{pair.id}.txt").write_text(pair.text)
    environment = {"MIR_IMAGES": str(images), "MIR_TEXTS": str(texts)}
    done = lmms_eval_cli(
        *("--model", "mir_demo", "--tasks", "mir_builtin,mir_local", "--limit", LIMIT),
        *("--output_path", tmp_path / "out"),
        environment=environment | {"MIR_MAX_MEMORY": "64MiB"},
        processes=3,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 layers at a time" in done.stdout  # of four, in so little memory
    results = lmms_eval_cli.results(tmp_path / "out")
    measured = {"mir_builtin": builtin_pairs()[:LIMIT], "mir_local": local_pairs(images, texts)}
    for task, pairs in measured.items():
        expected = measure(*demo_llava, pairs, progress=False)
        assert results[task]["mir,none"] == pytest.approx(expected.mir, rel=1e-9)
        assert results[task]["mir_reference,none"] == pytest.approx(expected.mir_reference, rel=1e-9)
        assert results[task]["mir_pairs,none"] == len(pairs) == (LIMIT if task == "mir_builtin" else 2)
        (file,) = (tmp_path / "out").rglob(f"*_mir_{task}.json")
        assert MIRResult.load(file).protocol.pair_ids == expected.protocol.pair_ids
