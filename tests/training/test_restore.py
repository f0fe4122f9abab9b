"""Weights, not names of folders: what is in the model after a Trainer has loaded a checkpoint."""

import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoProcessor,
    LlavaForConditionalGeneration,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from mir_task import MIRCallback, MIRModelError, MoCa
from mir_task.data import builtin_pairs
from mir_task.demo.pretrain import examples
from mir_task.training.restore import restore
from tests import tiny


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Evaluations(TrainerCallback):
    """Keeps the weights of every evaluation, and says how good it was: the second is the best."""

    MIR = (0.0, 2.0, 1.0, 3.0, 4.0)

    def __init__(self):
        self.weights = {}

    def on_evaluate(self, args, state, control, metrics, model, **kwargs):
        metrics["eval_mir"] = self.MIR[state.global_step]
        self.weights[state.global_step] = weights(model)


@pytest.fixture(scope="module")
def made(shared_llava):
    return examples(*shared_llava, pairs=12)


@pytest.fixture
def trainer_of(made, tmp_path):
    def build(model, processor, trained="projector", **settings):
        for name, parameter in model.named_parameters():
            parameter.requires_grad = re.search(trained, name) is not None
        arguments = TrainingArguments(
            **{
                "output_dir": str(tmp_path / "out"),
                "max_steps": 4,
                "per_device_train_batch_size": 4,
                "learning_rate": 1e-2,
                "eval_strategy": "steps",
                "eval_steps": 1,
                "save_strategy": "steps",
                "save_steps": 1,
                "metric_for_best_model": "eval_mir",
                "greater_is_better": False,
                "load_best_model_at_end": True,
                "report_to": [],
                "disable_tqdm": True,
                "use_cpu": True,
                **settings,
            }
        )
        trainer = Trainer(
            model, arguments, train_dataset=made[:8], eval_dataset=made[8:], processing_class=processor
        )
        # The planted numbers are added to the metrics after the measured ones.
        trainer.add_callback(MIRCallback(trainer, builtin_pairs(count=2)))
        trainer.evaluations = Evaluations()
        trainer.add_callback(trainer.evaluations)
        return trainer

    return build


@pytest.fixture
def fresh(checkpoint):
    """Load the tiny LLaVA anew."""

    def load():
        return (
            LlavaForConditionalGeneration.from_pretrained(checkpoint),
            AutoProcessor.from_pretrained(checkpoint),
        )

    return load


def assert_best(trainer, model):
    evaluated = trainer.evaluations.weights
    assert trainer.state.best_model_checkpoint.endswith("checkpoint-2")
    assert sorted(evaluated) == [1, 2, 3, 4] and not equal(evaluated[2], evaluated[4])
    assert equal(weights(model), evaluated[2])


def test_training_ends_with_the_best_weights(fresh, trainer_of):
    model, processor = fresh()
    trainer = trainer_of(model, processor)
    trainer.train()
    assert_best(trainer, model)
    trainer.save_model(trainer.args.output_dir + "/best")
    saved = LlavaForConditionalGeneration.from_pretrained(trainer.args.output_dir + "/best")
    assert equal(weights(saved), trainer.evaluations.weights[2])


def test_training_again_begins_with_them(fresh, trainer_of):
    model, processor = fresh()
    trainer = trainer_of(model, processor, learning_rate=0.0)
    trainer.train()
    ended = weights(model)
    trainer.train()
    assert equal(weights(model), ended)


def test_moca_is_part_of_the_best_weights(fresh, trainer_of):
    model, processor = fresh()
    moca = MoCa.attach(model)
    trainer = trainer_of(model, processor, trained="projector|moca")
    trainer.train()
    assert_best(trainer, model)
    assert not torch.equal(moca.u, torch.ones_like(moca.u))


def test_adapters_of_peft_end_with_the_best_weights(fresh, trainer_of):
    from peft import LoraConfig, get_peft_model

    model, processor = fresh()
    wrapped = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    trainer = trainer_of(wrapped, processor, trained="lora")
    trainer.train()
    assert_best(trainer, wrapped)


# Going on


@pytest.fixture
def whole(fresh, trainer_of):
    """A training that was not interrupted, and left a checkpoint at each step."""
    trainer = trainer_of(*fresh())
    trainer.train()
    return trainer


def test_a_resumed_training_ends_as_one_that_was_not_interrupted(whole, fresh, trainer_of, tmp_path):
    resumed = trainer_of(*fresh())
    resumed.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-2"))
    assert sorted(resumed.evaluations.weights) == [3, 4]
    for step in (3, 4):
        assert equal(resumed.evaluations.weights[step], whole.evaluations.weights[step])
    assert equal(weights(resumed.model), whole.evaluations.weights[2])


def test_a_checkpoint_that_was_moved_must_be_named_in_the_arguments(whole, fresh, trainer_of, tmp_path):
    moved = str(shutil.copytree(tmp_path / "out" / "checkpoint-2", tmp_path / "moved"))
    empty = str(tmp_path / "empty")
    remedy = r"from step 2, but not from .*checkpoint-2; .*\(resume_from_checkpoint=\.\.\.\)"
    with pytest.raises(MIRModelError, match=remedy):
        trainer_of(*fresh(), output_dir=empty).train(resume_from_checkpoint=moved)
    resumed = trainer_of(*fresh(), output_dir=empty, resume_from_checkpoint=moved)
    resumed.train(resume_from_checkpoint=moved)
    assert equal(resumed.evaluations.weights[3], whole.evaluations.weights[3])


def test_a_checkpoint_of_the_same_step_of_another_run_is_not_taken(whole, fresh, trainer_of, tmp_path):
    other = str(tmp_path / "other")
    trainer_of(*fresh(), output_dir=other, learning_rate=1e-3).train()
    with pytest.raises(MIRModelError, match="not from .*other/checkpoint-2;"):
        trainer_of(*fresh(), output_dir=other).train(
            resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-2")
        )


# The function


def disturbed(model):
    """The weights before, after which all of them are others."""
    before = weights(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    return before


@pytest.mark.parametrize(
    "name", ["llava_next", "llava_onevision", "qwen2_5_vl", "internvl", "paligemma", "gemma3", "blip2_opt"]
)
def test_weights_of_other_families_come_back_bit_for_bit(name, tmp_path):
    model, _ = tiny.build(name)
    model.save_pretrained(tmp_path)
    before = disturbed(model)
    assert not equal(weights(model), before)
    restore(model, tmp_path)
    assert equal(weights(model), before)


def test_checkpoints_of_several_files(fresh, tmp_path):
    model, _ = fresh()
    model.save_pretrained(tmp_path, max_shard_size="1MB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    before = disturbed(model)
    restore(model, tmp_path)
    assert equal(weights(model), before)


def test_dtypes_of_a_model_stay_as_they_are_and_so_do_the_bits(fresh, tmp_path):
    model, _ = fresh()
    model.bfloat16().model.multi_modal_projector.float()  # a projector that is trained beside a frozen LLM
    torch.nn.init.normal_(model.model.multi_modal_projector.linear_1.weight)
    model.save_pretrained(tmp_path)
    before = disturbed(model)
    assert {value.dtype for value in before.values()} == {torch.bfloat16, torch.float32}
    restore(model, tmp_path)
    assert equal(weights(model), before)


def test_random_states_are_left_alone(fresh, tmp_path):
    model, _ = fresh()
    model.save_pretrained(tmp_path)
    state = torch.get_rng_state()
    restore(model, tmp_path)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_checkpoint_that_lacks_weights_is_refused_and_nothing_is_loaded(fresh, tmp_path):
    model, _ = fresh()
    model.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    gone = next(name for name in tensors if "linear_2.bias" in name)
    del tensors[gone]
    save_file(tensors, file, metadata={"format": "pt"})
    disturbed(model)
    now = weights(model)
    with pytest.raises(MIRModelError, match=r"cannot be loaded .* it lacks \S*linear_2.bias"):
        restore(model, tmp_path)
    assert equal(weights(model), now)


def test_a_checkpoint_without_its_moca_is_refused(fresh, tmp_path):
    model, _ = fresh()
    model.save_pretrained(tmp_path)
    MoCa.attach(model)
    with pytest.raises(MIRModelError, match="it lacks moca.u, moca.v"):
        restore(model, tmp_path)


def test_a_folder_that_is_no_checkpoint_is_refused(fresh, tmp_path):
    with pytest.raises(MIRModelError, match="cannot be loaded into the model.*OSError"):
        restore(fresh()[0], tmp_path)
