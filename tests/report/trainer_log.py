"""What transformers' Trainer writes of a training in which MIRCallback measured, as planted files.

``test_watch_training.py`` checks the keys against a real Trainer.
"""

import json

LAYERS = 2


def measured(step, mir, error=0.01):
    """The log's entry of one measurement."""
    layers = {f"eval_mir_fid_layer_{layer:02d}": 10**mir / LAYERS for layer in range(1, LAYERS + 1)}
    errors = {} if error is None else {"eval_mir_se": error}
    return {
        "epoch": step / 100,
        "eval_mir": mir,
        "eval_mir_reference": mir + 0.3,
        **errors,
        **layers,
        "step": step,
    }


def trained(step, loss):
    """The log's entry of training."""
    return {"epoch": step / 100, "grad_norm": 1.4, "learning_rate": 0.001, "loss": loss, "step": step}


def evaluated(step, loss):
    """The log's entry of an evaluation."""
    speed = {"eval_runtime": 1.0, "eval_samples_per_second": 4.0, "eval_steps_per_second": 1.0}
    return {"epoch": step / 100, "eval_loss": loss, **speed, "step": step}


def state(history, step=None):
    """A ``trainer_state.json`` as text."""
    step = history[-1]["step"] if step is None else step
    value = {
        "best_global_step": None,
        "best_metric": None,
        "best_model_checkpoint": None,
        "epoch": step / 100,
        "eval_steps": 100,
        "global_step": step,
        "is_hyper_param_search": False,
        "is_local_process_zero": True,
        "is_world_process_zero": True,
        "log_history": history,
        "logging_steps": 100,
        "max_steps": 10_000,
        "num_input_tokens_seen": 0,
        "num_train_epochs": 100,
        "save_steps": 100,
        "stateful_callbacks": {"TrainerControl": {"args": {}, "attributes": {}}},
        "total_flos": 0.0,
        "train_batch_size": 4,
        "trial_name": None,
        "trial_params": None,
    }
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def history(mir, error=0.01, every=100, start=0):
    """A log with training, evaluation and MIR at every so many steps; loss 2.0, 1.9, 1.8 …"""
    entries = []
    for number, value in enumerate(mir, start=1 + start // every):
        step = number * every
        entries += [
            trained(step, 2.1 - number / 10),
            evaluated(step, 2.2 - number / 10),
            measured(step, value, error),
        ]
    return entries


def save(folder, text):
    """Write a ``trainer_state.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trainer_state.json"
    path.write_text(text)
    return path


def train(run, mir, error=0.01):
    """A training that saved a checkpoint at each of its steps: each has the log up to it."""
    entries = history(mir, error)
    for number in range(1, len(mir) + 1):
        save(run / f"checkpoint-{number * 100}", state(entries[: 3 * number]))
