"""The watch beside a real Trainer, in whose log the keys of the planted logs are checked."""

import json
import threading

import pytest
from transformers import Trainer, TrainerCallback, TrainingArguments

from mir_task import MIRCallback
from mir_task.adapters import adapter_for
from mir_task.data import builtin_pairs
from mir_task.report.analysis import analyse
from mir_task.report.load import load
from mir_task.report.watch import watch
from tests.report import trainer_log

PATIENCE = 120
"""Seconds that the Trainer waits for the watch before the test fails."""


class AfterSaving(TrainerCallback):
    """Holds the training after each checkpoint until it was reported."""

    def __init__(self, reported):
        self.reported = reported

    def on_save(self, args, state, control, **kwargs):
        assert self.reported.acquire(timeout=PATIENCE)


@pytest.fixture(scope="module")
def examples(shared_llava):
    model, processor = shared_llava
    adapter = adapter_for(model, processor)
    made = []
    for pair in builtin_pairs(count=4):
        inputs = adapter.prepare(pair.image, pair.text, 40)
        ids = inputs["input_ids"][0, :100]
        made.append(
            {
                "input_ids": ids,
                "labels": ids.masked_fill(ids.eq(model.config.image_token_id), -100),
                "pixel_values": inputs["pixel_values"][0],
            }
        )
    return made


def test_the_watch_reports_each_checkpoint_of_a_training_as_it_is_saved(llava, examples, ten_pairs, tmp_path):
    model, processor = llava
    run = tmp_path / "run"
    trainer = Trainer(
        model,
        TrainingArguments(
            output_dir=str(run),
            max_steps=4,
            per_device_train_batch_size=2,
            per_device_eval_batch_size=2,
            learning_rate=1e-3,
            logging_steps=2,
            eval_strategy="steps",
            eval_steps=2,
            save_strategy="steps",
            save_steps=2,
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=examples,
        eval_dataset=examples[:2],
        processing_class=processor,
    )
    trainer.add_callback(MIRCallback(trainer, ten_pairs, output_dir=run / "mir"))
    reported, ended, seen = threading.Semaphore(0), threading.Event(), []
    trainer.add_callback(AfterSaving(reported))

    def render():
        steps = [int(c.extras["step"]) for c in sorted_by_step(analyse(load([run])))]
        saved = len(list(run.glob("checkpoint-*/trainer_state.json")))
        if len(steps) == saved and steps not in seen:
            seen.append(steps)
            reported.release()
        return str(steps)

    def pause(seconds):
        if ended.wait(0.05):
            raise KeyboardInterrupt

    watching = threading.Thread(target=watch, args=([run], render), kwargs={"seconds": 1, "pause": pause})
    watching.start()
    try:
        trainer.train()
    finally:
        ended.set()
        watching.join()
    assert seen == [[2], [2, 4]]
    assert_as_logged(run, trainer)


def sorted_by_step(findings):
    return sorted(findings.comparison.checkpoints, key=lambda c: c.extras["step"])


def assert_as_logged(run, trainer):
    """The report has the numbers of the Trainer's own history, once each; planted logs have the same keys."""
    history = trainer.state.log_history
    logged = {entry["step"]: entry for entry in history if "eval_mir" in entry}
    losses = {entry["step"]: entry["loss"] for entry in history if "loss" in entry}
    checkpoints = sorted_by_step(analyse(load([run])))
    assert [c.mir for c in checkpoints] == [logged[step]["eval_mir"] for step in (2, 4)]
    assert [c.standard_error for c in checkpoints] == [logged[step]["eval_mir_se"] for step in (2, 4)]
    assert [c.extras["loss"] for c in checkpoints] == [losses[2], losses[4]]
    assert [len(c.runs) for c in checkpoints] == [1, 1]
    real = json.loads((run / "checkpoint-4" / "trainer_state.json").read_text())
    planted = json.loads(trainer_log.state(trainer_log.history([1.0, 1.2])))
    assert planted.keys() <= real.keys()
    keys = {frozenset(map(plain, entry)) for entry in real["log_history"]}
    assert {frozenset(map(plain, entry)) for entry in planted["log_history"]} == keys


def plain(key):
    return "eval_mir_fid_layer" if key.startswith("eval_mir_fid_layer_") else key
