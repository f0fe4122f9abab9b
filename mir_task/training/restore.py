"""Loads a Trainer's checkpoint into the live model, all of it.

For many vision-language models ``save_pretrained`` renames weights to the hub's older names, and ``from_pretrained``
alone renames them back. The Trainer does not: it gives the file's names to ``load_state_dict(strict=False)``, loads
nothing, warns of missing keys, and goes on with the weights that it has. So it is in transformers 4.57 and 5.24
(huggingface/transformers issue 43701).
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import torch
from loguru import logger
from safetensors import safe_open
from torch import Tensor
from transformers import PreTrainedModel

from mir_task.errors import MIRModelError

STATE = "trainer_state.json"


def is_renamed(model: Any) -> bool:
    """Whether ``from_pretrained`` is needed to load a model, which is all that transformers saves but adapters."""
    model = getattr(model, "_orig_mod", model)  # torch.compile's
    return isinstance(model, PreTrainedModel) and not getattr(model, "_hf_peft_config_loaded", False)


def restore(model: Any, folder: str | Path) -> None:
    """Load the weights of a checkpoint in place, under the names that ``from_pretrained`` gives them.

    The checkpoint is loaded beside the model, on the CPU, and copied. Values are those of the file, bit for bit.

    Args:
        model: the live model, of any device and dtypes, for which :func:`is_renamed` is true.
        folder: what the Trainer saved of this model.

    Raises:
        MIRModelError: the folder cannot be loaded, or lacks weights of the model. The model is as it was before.
    """
    model, folder = getattr(model, "_orig_mod", model), Path(folder)
    # A dtype that holds the values of all of the model's dtypes exactly.
    dtype = functools.reduce(torch.promote_types, {weight.dtype for weight in model.parameters()})
    with torch.random.fork_rng(devices=[]):
        try:
            loaded, report = type(model).from_pretrained(folder, dtype=dtype, output_loading_info=True)
        except Exception as error:  # transformers raises many unrelated classes for what it cannot load
            raise _cannot(folder, f"{type(error).__name__}: {error}") from error
    lacking = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if lacking:
        raise _cannot(folder, f"it lacks {_listed(lacking)}")
    weights = loaded.state_dict()
    added = model.state_dict().keys() - weights.keys()
    model.load_state_dict({**weights, **_added_weights(folder, added)})
    logger.info(f"loaded the weights of {folder}")


def resumed_checkpoint(arguments: Any, state: Any) -> Path:
    """Find the checkpoint that a Trainer goes on from, which it does not tell its callbacks.

    Args:
        arguments: the Trainer's arguments.
        state: the Trainer's state as training begins.

    Returns:
        The folder whose history is this state's: ``resume_from_checkpoint`` of the arguments, or the checkpoint of the
        same step in the output folder.

    Raises:
        MIRModelError: neither of them is.
    """
    usual = Path(arguments.output_dir) / f"checkpoint-{state.global_step}"
    given = arguments.resume_from_checkpoint
    folders = [Path(given), usual] if isinstance(given, str) else [usual]
    for folder in folders:
        if (folder / STATE).is_file():
            saved = json.loads((folder / STATE).read_text(encoding="utf-8"))
            # As text, in which NaN equals NaN.
            if json.dumps(saved["log_history"]) == json.dumps(state.log_history):
                return folder
    raise MIRModelError(
        f"training goes on from step {state.global_step}, but not from {' or '.join(map(str, folders))}; transformers' "
        "Trainer may not have loaded the weights (huggingface/transformers issue 43701): name the checkpoint as "
        "TrainingArguments(resume_from_checkpoint=...) too, from which MIRCallback loads them"
    )


def _added_weights(folder: Path, names: set[str]) -> dict[str, Tensor]:
    """Read weights of modules that were added to the model, such as MoCa, which no config tells of."""
    weights: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")) if names else ():
        with safe_open(path, "pt") as file:
            weights |= {name: file.get_tensor(name) for name in names.intersection(file.keys())}
    if names - weights.keys():
        raise _cannot(folder, f"it lacks {_listed(sorted(names - weights.keys()))}")
    return weights


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _cannot(folder: Path, reason: str) -> MIRModelError:
    return MIRModelError(
        f"the weights of {folder} cannot be loaded into the model, which may hold others now: {reason}"
    )
