"""The callback in real Trainer runs of the tiny LLaVA."""

import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments

from mir_task import MIRCallback, MIRDataError, MIRModelError, MIRResult, measure, measure_in_training
from mir_task.adapters import adapter_for
from mir_task.data import builtin_pairs
from tests.conftest import TORCHRUN
from tests.hooks import hooks

STEPS = 6


class Recorder(TrainerCallback):
    """What a tracker such as TensorBoard or W&B gets."""

    def __init__(self):
        self.logs = []

    def on_log(self, args, state, control, logs=None, **kwargs):
        self.logs.append((state.global_step, dict(logs)))


@pytest.fixture(scope="module")
def examples(shared_llava):
    """Stage-1 examples, of which image features and text are cut to one length so that they stack."""
    model, processor = shared_llava
    adapter = adapter_for(model, processor)
    examples = []
    for pair in builtin_pairs(count=16):
        inputs = adapter.prepare(pair.image, pair.text, 40)
        ids = inputs["input_ids"][0, :100]
        labels = ids.masked_fill(ids.eq(model.config.image_token_id), -100)
        examples.append({"input_ids": ids, "labels": labels, "pixel_values": inputs["pixel_values"][0]})
    return examples


@pytest.fixture
def trainer_of(llava, examples, tmp_path):
    model, processor = llava

    def build(callbacks=(), lr=1e-3, train_only="multi_modal_projector", **settings):
        for name, parameter in model.named_parameters():
            parameter.requires_grad = train_only in name
        # Dropout, so that a disturbed random state would change the losses.
        for layer in model.model.language_model.layers:
            layer.self_attn.attention_dropout = 0.1
        arguments = TrainingArguments(
            output_dir=str(tmp_path / "out"),
            max_steps=STEPS,
            per_device_train_batch_size=4,
            per_device_eval_batch_size=4,
            learning_rate=lr,
            logging_steps=1,
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            **{"save_strategy": "no", **settings},
        )
        return Trainer(
            model,
            arguments,
            train_dataset=examples[:12],
            eval_dataset=examples[12:],
            processing_class=processor,
            callbacks=list(callbacks),
        )

    yield build
    model.gradient_checkpointing_disable()
    for layer in model.model.language_model.layers:
        layer.self_attn.attention_dropout = 0.0
    for parameter in model.parameters():
        parameter.requires_grad = True
        parameter.grad = None


def losses(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def logged(trainer, name="eval_mir"):
    return {entry["step"]: entry[name] for entry in trainer.state.log_history if name in entry}


def test_training_is_bit_identical_with_and_without(trainer_of, llava, pairs):
    model, _ = llava
    start = {name: value.clone() for name, value in model.state_dict().items()}
    curves, ends = [], []
    for with_callback in (False, True):
        model.load_state_dict(start)
        trainer = trainer_of(eval_strategy="steps", eval_steps=2)
        if with_callback:
            trainer.add_callback(MIRCallback(trainer, pairs, every_steps=1))
        trainer.train()
        curves.append(losses(trainer))
        ends.append({name: value.clone() for name, value in model.state_dict().items()})
    assert len(curves[0]) == STEPS
    assert curves[0] == curves[1]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in start)
    assert len(logged(trainer)) == STEPS


def test_without_uncertainty_the_number_alone_is_logged(trainer_of, pairs):
    recorder = Recorder()
    trainer = trainer_of([recorder])
    callback = MIRCallback(trainer, pairs, at=None, every_steps=3, uncertainty=False)
    trainer.add_callback(callback)
    trainer.train()
    assert list(logged(trainer)) == [3, 6]
    assert not any("eval_mir_se" in log for log in recorder.logs)
    assert not any(result.uncertainty for result in callback.results.values())


def test_logs_what_measure_gives_on_the_live_model(trainer_of, llava, pairs, tmp_path):
    recorder = Recorder()
    trainer = trainer_of([recorder])
    callback = MIRCallback(trainer, pairs, at=None, every_steps=3, output_dir=tmp_path / "mir")
    trainer.add_callback(callback)
    trainer.train()
    assert list(logged(trainer)) == [3, 6]
    direct = measure(*llava, pairs, progress=False)
    step, last = next((step, log) for step, log in reversed(recorder.logs) if "eval_mir" in log)
    assert step == 6
    assert last["eval_mir"] == direct.mir
    assert last["eval_mir_reference"] == direct.mir_reference
    assert last["eval_mir_se"] == direct.standard_error
    assert [last[f"eval_mir_fid_layer_{k:02d}"] for k in range(1, 7)] == [
        layer.fid for layer in direct.layers
    ]
    assert logged(trainer)[3] != logged(trainer)[6]
    assert list(callback.results) == [3, 6]
    assert MIRResult.load(tmp_path / "mir" / "mir_step_000006.json").mir == direct.mir


@pytest.mark.parametrize("early_first", [True, False])
def test_chooses_the_best_model_and_stops_early(trainer_of, pairs, early_first):
    stopping = EarlyStoppingCallback(early_stopping_patience=2)
    trainer = trainer_of(
        [stopping] if early_first else [],
        lr=0.0,  # nothing improves after the first evaluation
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="steps",
        save_steps=1,
        load_best_model_at_end=True,
        metric_for_best_model="eval_mir",
        greater_is_better=False,
    )
    trainer.add_callback(MIRCallback(trainer, pairs))
    if not early_first:
        trainer.add_callback(stopping)
    trainer.train()
    assert trainer.state.best_metric == logged(trainer)[1]
    assert trainer.state.global_step == 3
    assert trainer.state.best_model_checkpoint.endswith("checkpoint-1")


def test_best_model_is_the_one_of_lowest_mir(trainer_of, pairs):
    trainer = trainer_of(
        lr=3e-2,
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="best",
        metric_for_best_model="mir",
        greater_is_better=False,
    )
    trainer.add_callback(MIRCallback(trainer, pairs))
    trainer.train()
    curve = logged(trainer)
    assert len(set(curve.values())) == STEPS
    assert trainer.state.best_metric == min(curve.values())


def test_at_each_save(trainer_of, pairs):
    trainer = trainer_of(save_strategy="steps", save_steps=2)
    trainer.add_callback(MIRCallback(trainer, pairs, at="save"))
    trainer.train()
    assert list(logged(trainer)) == [2, 4, 6]
    # The checkpoint's own history is JSON as ever.
    state = json.loads((Path(trainer.args.output_dir) / "checkpoint-6" / "trainer_state.json").read_text())
    assert [entry["step"] for entry in state["log_history"] if "eval_mir" in entry] == [2, 4]


def test_once_a_step_and_again_after_training(trainer_of, llava, pairs):
    model, _ = llava
    trainer = trainer_of(eval_strategy="steps", eval_steps=3)
    trainer.add_callback(MIRCallback(trainer, pairs, every_steps=3))
    trainer.train()
    entries = [entry["step"] for entry in trainer.state.log_history if "eval_mir" in entry]
    assert entries == [3, 6]
    # The same step, but other weights: a number of before would be wrong.
    model.model.multi_modal_projector.linear_2.weight.data *= 2
    again = trainer.evaluate()["eval_mir"]
    assert again == measure(*llava, pairs, progress=False).mir != logged(trainer)[3]


def test_gradient_checkpointing(trainer_of, llava, pairs):
    model, _ = llava
    trainer = trainer_of(train_only="", gradient_checkpointing=True)
    trainer.add_callback(MIRCallback(trainer, pairs, every_steps=2))
    model.enable_input_require_grads()  # as LLaVA's own training does it
    try:
        trainer.train()
    finally:
        model.disable_input_require_grads()
    assert len(losses(trainer)) == STEPS and len(logged(trainer)) == 3


def test_a_diverged_model_goes_on_training_without_a_number(trainer_of, llava, pairs):
    model, _ = llava

    class Diverge(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 3:
                model.model.multi_modal_projector.linear_2.weight.data.fill_(math.nan)

    trainer = trainer_of([Diverge()])
    trainer.add_callback(MIRCallback(trainer, pairs, every_steps=2))
    trainer.train()
    curve = logged(trainer)
    assert math.isfinite(curve[2]) and math.isnan(curve[4]) and math.isnan(curve[6])


def test_built_in_pairs_are_taken_as_they_are(trainer_of, llava):
    trainer = trainer_of()
    callback = MIRCallback(trainer, builtin_pairs(count=3), every_steps=STEPS)
    trainer.add_callback(callback)
    trainer.train()
    assert callback.results[STEPS].protocol.images == "mir_task.builtin"
    assert callback.results[STEPS].pairs == 3


def test_bad_settings(trainer_of, pairs):
    trainer = trainer_of()
    for arguments, message in (
        ({"pairs": pairs[:1]}, "list of at least 2 pairs.*got 1"),
        ({"pairs": iter(pairs)}, "list of at least 2 pairs.*got list_iterator"),
        ({"pairs": pairs, "at": None}, "never measure"),
        ({"pairs": pairs, "at": "step"}, "at must be evaluate, save or None .got 'step'"),
        ({"pairs": pairs, "every_steps": 0}, "every_steps a positive number .got 0"),
    ):
        with pytest.raises(MIRDataError, match=message):
            MIRCallback(trainer, **arguments)
    trainer.add_callback(MIRCallback(trainer, pairs, processor=trainer.processing_class.tokenizer))
    with pytest.raises(MIRModelError, match="expected the model's processor"):
        trainer.train()


# The plain function


def test_everything_is_as_before(llava, pairs):
    model, processor = llava
    model.train()
    model.model.vision_tower.eval()
    model.model.language_model.norm.weight.requires_grad = False
    model(**adapter_for(model, processor).prepare(*pairs[0][:2], 20)).logits.mean().backward()

    def everything():
        return (
            {name: module.training for name, module in model.named_modules()},
            {
                name: (p.requires_grad, None if p.grad is None else p.grad.clone())
                for name, p in model.named_parameters()
            },
            {name: (id(b), b.clone()) for name, b in model.named_buffers()},
            hooks(model),
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state(),
            torch.is_grad_enabled(),
        )

    class Disturbing(list):
        """Pairs that use every random generator while they are read, as augmentations do."""

        def __getitem__(self, number):
            random.random(), np.random.rand(), torch.rand(1)
            return list.__getitem__(self, number)

    before = everything()
    result = measure_in_training(model, processor, Disturbing(pairs))
    after = everything()
    torch.testing.assert_close(after[1], before[1], rtol=0, atol=0)
    torch.testing.assert_close(after[2], before[2], rtol=0, atol=0)
    assert torch.equal(after[6], before[6])
    assert [after[i] for i in (0, 3, 4, 5, 7)] == [before[i] for i in (0, 3, 4, 5, 7)]
    assert not any(buffer.is_inference() for buffer in model.buffers())
    assert result.mir == measure(model, processor, pairs, progress=False).mir
    model.model.language_model.norm.weight.requires_grad = True
    model.zero_grad()


def test_errors_leave_everything_as_before_too(llava, pairs):
    model, processor = llava
    state, before = torch.get_rng_state(), hooks(model)

    class Failing(list):
        def __getitem__(self, number):
            torch.rand(1)
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        measure_in_training(model.train(), processor, Failing(pairs))
    assert torch.equal(torch.get_rng_state(), state)
    assert hooks(model) == before and model.training


def test_autocast_around_it_changes_nothing(llava, pairs):
    expected = measure(*llava, pairs, progress=False).mir
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert measure_in_training(*llava, pairs).mir == expected
        assert torch.is_autocast_enabled("cpu")


def test_looks_through_wrappers(llava, pairs):
    from peft import LoraConfig, get_peft_model

    model, processor = llava
    expected = measure(model, processor, pairs, progress=False).mir
    assert measure_in_training(torch.nn.DataParallel(model), processor, pairs).mir == expected
    assert measure_in_training(torch.compile(model), processor, pairs).mir == expected
    lora = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    wrapped = get_peft_model(model, lora)
    adapted = measure_in_training(wrapped, processor, pairs).mir
    wrapped.unload()
    assert adapted != expected == measure(model, processor, pairs, progress=False).mir


# Several processes


@pytest.mark.cli
def test_one_process_measures_and_both_know(checkpoint, tmp_path):
    script = Path(__file__).with_name("distributed_training.py")
    done = subprocess.run(
        [sys.executable, *TORCHRUN, "2", str(script), str(checkpoint), str(tmp_path / "out")],
        env={**os.environ, "ACCELERATE_USE_CPU": "1", "PYTHONPATH": str(script.parent.parent)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    first, second = (tmp_path / "out" / f"seen_{process}.json" for process in (0, 1))
    assert first.exists() and second.exists(), done.stderr
    first, second = json.loads(first.read_text()), json.loads(second.read_text())
    assert len(first["mir"]) == 2 and first["mir"] == second["mir"]
    assert (first["results"], second["results"]) == (2, 0)
    # Then an error in one of them ends both, neither waits for ever.
    assert (first["error"], second["error"]) == ("OSError", "RuntimeError")
