import fcntl
import json
import os
from contextlib import ExitStack
from dataclasses import replace

import pandas as pd
import pytest
import torch

from mir_task import MIRError, MIRResult, measure
from mir_task.data import local_pairs
from mir_task.study import run as study_run
from mir_task.study.__main__ import main
from mir_task.study.experiments import runs
from mir_task.study.model import load
from mir_task.study.questions import SKILLS
from mir_task.study.run import run_study
from mir_task.study.scales import SCALES
from mir_task.study.stages import lock_of, once
from tests.conftest import REPOSITORY
from tests.study.conftest import BASE, TINY


def test_a_stage_is_done_once_and_only_when_complete(tmp_path):
    calls = []

    def make(folder):
        calls.append(folder)
        (folder / "a").write_text("half")
        if len(calls) == 1:
            raise KeyboardInterrupt
        (folder / "b").write_text("whole")

    with pytest.raises(KeyboardInterrupt):
        once(tmp_path / "stage", make)
    assert not (tmp_path / "stage").exists()
    for _ in range(2):
        assert once(tmp_path / "stage", make) == tmp_path / "stage"
    assert len(calls) == 2
    assert {file.name for file in (tmp_path / "stage").iterdir()} == {"a", "b"}
    assert calls[0].name == "stage"


def test_table_holds_scores_and_baselines_of_lmms_evals_files(study):
    row = pd.read_csv(study.table).iloc[0]
    assert (row["model"], row["group"], row["seed"], row["note"]) == ("base_s0", "MoCa", 0, "off")
    (file,) = (study.scores / "base_s0").glob("*_results.json")
    results = json.loads(file.read_text())
    assert results["model_name"] == "base_s0"
    scores = [results["results"][f"mir_study_{skill}"]["exact_match,none"] for skill in SKILLS]
    assert row["average"] == pytest.approx(sum(scores) / len(scores))
    assert row["average_over"].split(";") == [f"mir_study_{skill}" for skill in sorted(SKILLS)]
    assert row["samples"] == TINY.pairs
    assert row["caption_ppl"] > 1 and 0 <= row["in_context"] <= 1 and row["loss"] > 0
    assert {file.stem for file in study.curves.glob("*.csv")} == {
        "stage0_language",
        "stage0_vision",
        "stage1_base_s0",
        "stage2_base_s0",
        "stage1_moca-True_s0",
        "stage2_moca-True_s0",
    }


def test_mir_files_are_those_of_measure_on_the_checkpoint(study):
    files = {
        MIRResult.load(file).protocol.task: file for file in (study.mir / "base_s0").glob("*_mir_*.json")
    }
    assert set(files) == {"mir_local", "mir_builtin"}
    saved = MIRResult.load(files["mir_local"])
    pairs = local_pairs(study.probe / "images", study.probe / "texts")
    direct = measure(*load(study.stage_one / "base_s0"), pairs, progress=False)
    assert direct.mir == pytest.approx(saved.mir, rel=1e-6)
    assert saved.pairs == TINY.probe_pairs and saved.model.name == "base_s0"
    (file,) = (study.mir / "base_s0").glob("*_results.json")
    assert json.loads(file.read_text())["results"]["mir_local"]["mir,none"] == saved.mir


def test_going_on_does_only_what_is_missing(study, monkeypatch):
    def modified():
        return {file: file.stat().st_mtime_ns for file in study.root.glob("stage*/*/*.safetensors")}

    before, table = modified(), study.table.read_text()
    for name in ("make_language_model", "make_vision_tower", "pretrain", "finetune", "evaluate"):
        monkeypatch.setattr(study_run, name, None)
    run_study(TINY, study.root, "cpu")
    assert modified() == before and study.table.read_text() == table


def test_what_was_lost_comes_back_the_same(study, monkeypatch):
    weights = (study.stage_two / BASE.name / "model.safetensors").read_bytes()
    os.rename(study.stage_two / BASE.name, study.root / "lost")
    monkeypatch.setattr(study_run, "pretrain", None)
    run_study(TINY, study.root, "cpu")
    assert (study.stage_two / BASE.name / "model.safetensors").read_bytes() == weights


def test_a_run_of_another_process_is_left_to_it(study, monkeypatch):
    monkeypatch.setattr(study_run, "run_one", None)
    # Locked as by another process: lmms-eval makes filelock's own locks reentrant within one.
    with ExitStack() as stack:
        for run in runs(TINY):
            file = stack.enter_context(open(lock_of(study.results / run.name).lock_file, "w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        run_study(TINY, study.root, "cpu")


def test_other_settings_in_the_same_folder_are_an_error(study):
    with pytest.raises(
        MIRError, match=r"holds a study with other settings .*language.*give another --output"
    ):
        run_study(replace(TINY, language=replace(TINY.language, hidden_size=128)), study.root, "cpu")


def test_help_tells_the_scales(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(f"  {name}: {scale.estimate}" in told for name, scale in SCALES.items())


def test_answers_in_batches_are_those_of_llava_hf(study):
    from lmms_eval.api.instance import Instance
    from lmms_eval.models.simple.llava_hf import LlavaHf

    from mir_task.study.lmms_model import MirStudy
    from mir_task.study.task import doc_to_visual, heldout_questions

    model = MirStudy(BASE.name, str(study.stage_two))
    trained = load(study.stage_two / BASE.name)[0].state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in model.model.state_dict().items())
    documents = [row for skill in SKILLS for row in heldout_questions(skill, 2)]
    model.task_dict = {"task": {"test": documents}}
    requests = [
        Instance(
            request_type="generate_until",
            arguments=(row["question"], {"max_new_tokens": 8}, doc_to_visual, number, "task", "test"),
            idx=number,
            metadata={"task": "task", "doc_id": number, "repeats": 1},
        )
        for number, row in enumerate(documents)
    ]
    # So few steps teach no more than to end at once; with a random head answers differ.
    with torch.no_grad():
        model.model.lm_head.weight.normal_(generator=torch.Generator().manual_seed(0))
    told = model.generate_until(requests)
    assert len(set(told)) > 1
    assert told == LlavaHf.generate_until(model, requests)


@pytest.mark.cli
def test_plain_llava_hf_gives_the_same_scores_on_the_native_checkpoint(study, lmms_eval_cli, tmp_path):
    arguments = f"pretrained={study.stage_two / BASE.name},device=cpu,device_map=cpu"
    lmms_eval_cli(
        "--model=llava_hf",
        f"--model_args={arguments}",
        "--force_simple",
        "--tasks=mir_study",
        f"--include_path={REPOSITORY / 'tasks' / 'study'}",
        f"--limit={TINY.questions}",
        f"--output_path={tmp_path / 'out'}",
    )
    results = lmms_eval_cli.results(tmp_path / "out")
    row = pd.read_csv(study.table).iloc[0]
    for skill in SKILLS:
        assert results[f"mir_study_{skill}"]["exact_match,none"] == row[f"mir_study_{skill}"]
    assert results["mir_study"]["exact_match,none"] == pytest.approx(row["average"])
