"""The protocol in lmms-eval's own results file: what its numbers are of, without the per-layer file."""

import hashlib

import pytest
from lmms_eval.tasks import TaskManager

from mir_task import MIRError, MIRResult
from mir_task.measurement.perplexity import CaptionPerplexity
from tests.lmms.evaluation import Model, evaluate


@pytest.fixture(scope="module")
def task_manager():
    return TaskManager()


@pytest.fixture
def files(folders, monkeypatch):
    images, texts = folders
    for name, value in {"IMAGES": images, "TEXTS": texts, "SEED": 3}.items():
        monkeypatch.setenv(f"MIR_{name}", str(value))
    return folders


def test_it_says_what_the_per_layer_file_says(llava, task_manager, files, tmp_path):
    written = evaluate(Model(llava), ["mir_local"], task_manager, tmp_path / "out", limit=5)
    (file,) = (tmp_path / "out").rglob("*_mir_mir_local.json")
    whole = MIRResult.load(file)
    record = written["configs"]["mir_local"]["protocol"]
    told = whole.protocol.model_dump(mode="json")
    assert {name: told[name] for name in record if name in told} == {
        name: value for name, value in record.items() if name in told
    }
    assert (record["images"], record["texts"]) == tuple(map(str, files))
    assert (record["seed"], record["paired"], record["max_text_tokens"]) == (3, False, 1024)
    assert record["template"] == "chat_template" and record["template_sha256"]
    # Known only when it was measured: --limit left some out.
    assert record["pairs"] == whole.pairs == written["results"]["mir_local"]["mir_pairs,none"] == 5


def test_the_same_pairs_are_told_from_others_whatever_their_order(llava, task_manager, files, tmp_path):
    (whole,) = evaluate(Model(llava), ["mir_local"], task_manager, tmp_path / "all")["configs"].values()
    (fewer,) = evaluate(Model(llava), ["mir_local"], task_manager, tmp_path / "few", limit=4)[
        "configs"
    ].values()
    (file,) = (tmp_path / "all").rglob("*_mir_mir_local.json")
    ids = MIRResult.load(file).protocol.pair_ids
    told = "[" + ",".join(f'"{name}"' for name in sorted(ids)) + "]"
    assert whole["protocol"]["pair_ids_sha256"] == hashlib.sha256(told.encode()).hexdigest()
    assert fewer["protocol"]["pair_ids_sha256"] != whole["protocol"]["pair_ids_sha256"]


def test_graded_pairs_are_told_without_an_entry_a_pair(
    llava, task_manager, paired_folders, clip, tmp_path, monkeypatch
):
    images, texts = map(str, paired_folders)
    settings = {"IMAGES": images, "TEXTS": texts, "PAIRED": "1", "CLIP": str(clip), "LEVELS": "2"}
    for name, value in settings.items():
        monkeypatch.setenv(f"MIR_{name}", value)
    written = evaluate(Model(llava), ["mir_by_alignment"], task_manager, tmp_path)
    record = written["configs"]["mir_by_alignment"]["protocol"]
    assert record["pairs"] == 8 and record["paired"]
    assert set(record["alignment"]) == {"clip", "edges"} and len(record["alignment"]["edges"]) == 3
    assert "pair_ids" not in record


def test_caption_perplexity_has_one_too(llava, task_manager, tmp_path, monkeypatch):
    monkeypatch.setenv("MIR_NUM_PAIRS", "3")
    written = evaluate(Model(llava), ["mir_caption_ppl_builtin"], task_manager, tmp_path)
    record = written["configs"]["mir_caption_ppl_builtin"]["protocol"]
    (file,) = tmp_path.rglob("*_caption_ppl_*.json")
    whole = CaptionPerplexity.model_validate_json(file.read_text())
    assert (record["pairs"], record["template_sha256"]) == (3, whole.protocol.template_sha256)


def test_skipped_pairs_are_not_counted(llava, task_manager, files, tmp_path, monkeypatch):
    (files[0] / "3.png").write_bytes(b"no image")
    monkeypatch.setenv("MIR_ON_ERROR", "skip")
    written = evaluate(Model(llava), ["mir_local"], task_manager, tmp_path / "out")
    assert written["configs"]["mir_local"]["protocol"]["pairs"] == 7


def test_examples_before_the_pair_are_refused(llava, task_manager, tmp_path, monkeypatch):
    monkeypatch.setenv("MIR_NUM_PAIRS", "3")
    for few in (0, None):
        evaluate(Model(llava), ["mir_builtin"], task_manager, tmp_path / str(few), num_fewshot=few)
    with pytest.raises(MIRError, match="^mir_builtin shows .* num_fewshot is 5; leave --num_fewshot out"):
        evaluate(Model(llava), ["mir_builtin"], task_manager, tmp_path / "many", num_fewshot=5)
