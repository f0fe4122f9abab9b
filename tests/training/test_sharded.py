"""MIR in trainings whose weights are sharded over two processes, by real FSDP2 and DeepSpeed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers
from packaging.version import Version
from torch import nn

from mir_task import MIRCallback, MIRDataError, MIRModelError, measure, measure_in_training
from mir_task.accumulate.modalities import Modalities
from mir_task.adapters import adapter_for
from mir_task.adapters.prefill import PreparedPair, prefill
from mir_task.adapters.sharding import sharding
from mir_task.data import builtin_pairs
from mir_task.measurement.passes import Passes
from mir_task.measurement.perplexity import caption_perplexity
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.settings import MeasurementSettings
from tests.conftest import REPOSITORY, TORCHRUN

SCRIPT = Path(__file__).with_name("sharded_training.py")
needs_deepspeed = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed"
)
needs_loading_in_parts = pytest.mark.skipif(
    Version(transformers.__version__).major < 5,
    reason="from_pretrained shards by FSDP2 from transformers 5 on",
)
KINDS = [
    "accelerate",
    pytest.param("transformers", marks=needs_loading_in_parts),
    pytest.param("deepspeed", marks=needs_deepspeed),
]


def trained(kind, checkpoint, output):
    """What each process saw, and the weights in the end, both without MIR and with it."""
    done = subprocess.run(
        [sys.executable, *TORCHRUN, "2", str(SCRIPT), kind, str(checkpoint), str(output)],
        env={
            **os.environ,
            "ACCELERATE_USE_CPU": "1",
            "DS_ACCELERATOR": "cpu",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    files = [output / f"seen_{rank}.json" for rank in (0, 1)]
    assert all(file.exists() for file in files), done.stderr
    return [json.loads(file.read_text()) for file in files], torch.load(output / "weights_0.pt")


@pytest.mark.cli
@pytest.mark.parametrize("kind", KINDS)
def test_the_number_is_that_of_the_whole_weights_and_training_goes_on_bit_for_bit(
    kind, llava, checkpoint, tmp_path
):
    (first, second), weights = trained(kind, checkpoint, tmp_path)
    assert first["sharded"] == len(weights["with"])
    assert len(set(first["with"]["mir"])) == 3 and first["with"]["mir"] == second["with"]["mir"]

    model, processor = llava
    model.load_state_dict(weights["with"])
    whole = json.loads(measure(model, processor, builtin_pairs(count=5), progress=False).model_dump_json())
    sharded = first["with"]["results"][-1]
    assert sharded["mir"] == pytest.approx(whole["mir"], abs=1e-6)
    assert sharded["standard_error"] == pytest.approx(whole["standard_error"], rel=1e-5)
    for name in ("protocol", "pairs", "groups", "model"):
        assert sharded[name] == whole[name]

    assert first["with"]["loss"] == first["without"]["loss"]
    assert all(torch.equal(weights["with"][name], weights["without"][name]) for name in weights["with"])


@pytest.mark.cli
def test_peft_around_sharded_weights_is_looked_through_and_an_error_of_one_process_ends_both(
    checkpoint, tmp_path
):
    (first, second), _ = trained("peft", checkpoint, tmp_path)
    assert len(set(first["with"]["mir"])) == 3 and first["with"]["mir"] == second["with"]["mir"]
    assert len(first["with"]["results"]) == 3 and not second["with"]["results"]
    assert second["error"] == "OSError: the disk"
    assert first["error"] == "OtherProcessError: OSError('the disk')"


def test_other_kinds_of_sharding_are_refused_by_name(llava, pairs):
    class FullyShardedDataParallel(nn.Module):
        """FSDP1's name."""

    model, processor = llava
    model.model.wrapper = FullyShardedDataParallel()
    try:
        with pytest.raises(
            MIRModelError, match="sharded over processes by FSDP1; MIR can be measured under FSDP2"
        ):
            measure_in_training(model, processor, pairs)
    finally:
        del model.model.wrapper


def test_tensor_parallel_weights_are_refused_by_name():
    linear = nn.Linear(2, 2)
    linear.weight.placements = ()  # as a DTensor's, without a module that FSDP2 made a unit of
    with pytest.raises(MIRModelError, match="by tensor parallelism; .* or on a saved checkpoint"):
        sharding(linear)


@pytest.fixture
def marked_as_sharded(llava):
    model, processor = llava
    parameter = next(model.parameters())
    parameter.ds_id = 0  # as DeepSpeed's ZeRO-3 marks them
    yield model, processor
    del parameter.ds_id


def test_what_would_leave_a_process_waiting_is_refused(marked_as_sharded, pairs):
    model, processor = marked_as_sharded
    with pytest.raises(
        MIRModelError, match="over 1 processes .ZeRO-3., of which 2 take part; call measure in all"
    ):
        measure(model, processor, pairs, ranks=Ranks(0, 2), progress=False)
    for setting in ({"batch_size": 2}, {"on_error": "skip"}, {"resume": "folder"}):
        (name,) = setting
        with pytest.raises(MIRDataError, match=f"{name} must be .* equally often"):
            measure(model, processor, pairs, progress=False, **setting)


def test_perplexity_over_sharded_weights_is_refused(marked_as_sharded, pairs):
    with pytest.raises(MIRModelError, match="sharded over processes .ZeRO-3.; measure perplexity on a saved"):
        caption_perplexity(*marked_as_sharded, pairs, progress=False)


def test_fewer_pairs_than_processes_are_refused_when_training_begins(marked_as_sharded, pairs, monkeypatch):
    model, processor = marked_as_sharded
    trainer = SimpleNamespace(model=model, processing_class=processor)
    callback = MIRCallback(trainer, pairs[:2])
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    with pytest.raises(MIRDataError, match="2 pairs for 3 processes with sharded weights"):
        callback.on_train_begin(None, None, None)


@pytest.fixture
def whole_passes(marked_as_sharded):
    """One entry for each forward pass that came to its end."""
    ended = []
    handle = marked_as_sharded[0].register_forward_hook(lambda *_: ended.append("pass"))
    yield ended
    handle.remove()


def test_every_process_runs_the_whole_model_equally_often(marked_as_sharded, pairs, whole_passes):
    for rank in (0, 1):
        whole_passes.clear()
        settings = MeasurementSettings(progress=False)
        Passes(adapter_for(*marked_as_sharded), pairs[:5], Ranks(rank, 2), settings).run(
            "pairs", {1: Modalities(None, None)}
        )
        # One pair more in one process than in the other; three more for whether the picture reaches the model.
        assert len(whole_passes) == 3 + 3


@pytest.mark.parametrize("check", [True, False], ids=["alone", "as a batch"])
def test_an_error_in_a_layer_ends_no_pass_that_others_wait_for(
    marked_as_sharded, pairs, whole_passes, monkeypatch, check
):
    def unknown(*_):
        raise MIRModelError("positions are unknown")

    monkeypatch.setattr(f"mir_task.adapters.prefill.{'find_positions' if check else 'flattened'}", unknown)
    adapter = adapter_for(*marked_as_sharded)
    prepared = PreparedPair("1", adapter.prepare(pairs[0].image, pairs[0].text, 40))
    with pytest.raises(MIRModelError, match="positions are unknown"):
        prefill(adapter, [prepared], check)
    assert whole_passes == ["pass"]


def test_sharded_weights_in_one_process_give_the_same_number(marked_as_sharded, llava, pairs):
    model, processor = marked_as_sharded
    sharded = measure(model, processor, pairs, progress=False)
    del next(model.parameters()).ds_id
    whole = measure(model, processor, pairs, progress=False)
    next(model.parameters()).ds_id = 0
    assert sharded.mir == pytest.approx(whole.mir, abs=1e-9)
