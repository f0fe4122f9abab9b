"""Run by torchrun in test_sharded.py: trains the tiny LLaVA with sharded weights, and writes down what was seen."""

import json
import sys
from pathlib import Path

import torch
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch.distributed.tensor import DTensor
from transformers import AutoProcessor, LlavaForConditionalGeneration, Trainer, TrainingArguments

from mir_task import MIRCallback, measure_in_training
from mir_task.adapters import adapter_for
from mir_task.data import builtin_pairs

PAIRS = 5
"""No multiple of two processes: one of them runs a forward pass that does not count."""
STEPS = 3


class Unreadable(list):
    """Pairs of which the last cannot be read, so that one process alone meets the error."""

    def __getitem__(self, number):
        if number == PAIRS - 1:
            raise OSError("the disk")
        return list.__getitem__(self, number)


def examples_of(model, processor):
    adapter, examples = adapter_for(model, processor), []
    for pair in builtin_pairs(count=8):
        inputs = adapter.prepare(pair.image, pair.text, 40)
        ids = inputs["input_ids"][0, :90]
        examples.append({"input_ids": ids, "labels": ids, "pixel_values": inputs["pixel_values"][0]})
    return examples


def sharded_by_accelerate(trainer):
    """Turn on what accelerate does on GPUs when it is given an FSDP plugin; on CPUs it takes no notice of it."""
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=["LlamaDecoderLayer", "CLIPEncoderLayer"],
        cpu_ram_efficient_loading=False,
    )
    trainer.accelerator.state._shared_state |= {
        "distributed_type": DistributedType.FSDP,
        "fsdp_plugin": plugin,
    }
    trainer.is_fsdp_enabled = True


def trained_by_trainer(kind, checkpoint, output, with_callback):
    loading = {}
    if kind == "transformers":
        from transformers.distributed import DistributedConfig

        loading = {"distributed_config": DistributedConfig(fsdp_size=2)}
    model = LlavaForConditionalGeneration.from_pretrained(checkpoint, **loading)
    processor = AutoProcessor.from_pretrained(checkpoint)
    examples = examples_of(model, processor)
    if kind == "peft":
        from peft import LoraConfig, get_peft_model

        lora = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        model = get_peft_model(model, lora)
    arguments = TrainingArguments(
        str(output),
        max_steps=STEPS,
        per_device_train_batch_size=2,
        logging_steps=1,
        learning_rate=1e-3,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=0,
    )
    trainer = Trainer(model, arguments, train_dataset=examples, processing_class=processor)
    if kind in ("accelerate", "peft"):
        sharded_by_accelerate(trainer)
    callback = MIRCallback(trainer, builtin_pairs(count=PAIRS), at=None, every_steps=1)
    if with_callback:
        trainer.add_callback(callback)
    trainer.train()
    history = trainer.state.log_history
    seen = {
        "loss": [entry["loss"] for entry in history if "loss" in entry],
        "mir": [entry["eval_mir"] for entry in history if "eval_mir" in entry],
        "results": [json.loads(result.model_dump_json()) for result in callback.results.values()],
    }
    return trainer, callback, seen


def error_of_one_process(trainer, callback):
    """What this process ends with when one of them cannot read a pair."""
    callback.pairs = Unreadable(callback.pairs)
    try:
        trainer.train()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def trained_by_deepspeed(checkpoint, with_callback):
    """DeepSpeed's engine in a loop of one's own: accelerate runs it on GPUs alone."""
    import deepspeed

    model = LlavaForConditionalGeneration.from_pretrained(checkpoint)
    processor = AutoProcessor.from_pretrained(checkpoint)
    examples = examples_of(model, processor)
    config = {
        "train_micro_batch_size_per_gpu": 2,
        "zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0},
    }
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
    seen = {"loss": [], "mir": [], "results": []}
    for step in range(STEPS):
        first = 4 * (step % 2) + 2 * torch.distributed.get_rank()
        some = examples[first : first + 2]
        batch = {name: torch.stack([example[name] for example in some]) for name in some[0]}
        loss = engine(**batch).loss
        engine.backward(loss)
        engine.step()
        seen["loss"].append(loss.item())
        if with_callback:
            result = measure_in_training(engine, processor, builtin_pairs(count=PAIRS))
            seen["mir"].append(result.mir)
            seen["results"].append(json.loads(result.model_dump_json()))
    return engine.module, seen


def whole_weights(model):
    weights = {}
    for name, parameter in model.named_parameters():
        if hasattr(parameter, "ds_id"):
            import deepspeed

            with deepspeed.zero.GatheredParameters([parameter]):
                weights[name] = parameter.detach().clone()
        else:
            weights[name] = parameter.full_tensor() if isinstance(parameter, DTensor) else parameter.detach()
    return weights


def main(kind, checkpoint, output):
    torch.set_num_threads(1)
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    seen, weights = {}, {}
    for how in ("without", "with"):
        torch.manual_seed(0)
        trainer = callback = None
        if kind == "deepspeed":
            model, seen[how] = trained_by_deepspeed(checkpoint, how == "with")
        else:
            trainer, callback, seen[how] = trained_by_trainer(kind, checkpoint, output, how == "with")
            model = trainer.model
        weights[how] = whole_weights(model)
    seen["sharded"] = sum(isinstance(p, DTensor) or hasattr(p, "ds_id") for p in model.parameters())
    rank = torch.distributed.get_rank()
    torch.save(weights, output / f"weights_{rank}.pt")
    if callback is not None:
        seen["error"] = error_of_one_process(trainer, callback)
    (output / f"seen_{rank}.json").write_text(json.dumps(seen))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
