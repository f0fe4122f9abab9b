"""Run by torchrun in test_callback.py: trains the tiny LLaVA in two processes and writes down what each of them saw."""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoProcessor, LlavaForConditionalGeneration, Trainer, TrainingArguments

from mir_task import MIRCallback
from mir_task.adapters import adapter_for
from mir_task.data import builtin_pairs


class Unreadable(list):
    def __getitem__(self, number):
        raise OSError("the disk")


def main(checkpoint, output):
    torch.set_num_threads(1)
    model, processor = (
        LlavaForConditionalGeneration.from_pretrained(checkpoint),
        AutoProcessor.from_pretrained(checkpoint),
    )
    adapter, examples = adapter_for(model, processor), []
    for pair in builtin_pairs(count=8):
        inputs = adapter.prepare(pair.image, pair.text, 40)
        ids = inputs["input_ids"][0, :90]
        examples.append({"input_ids": ids, "labels": ids, "pixel_values": inputs["pixel_values"][0]})
    arguments = TrainingArguments(
        output,
        max_steps=2,
        per_device_train_batch_size=2,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        eval_strategy="steps",
        eval_steps=1,
    )
    trainer = Trainer(
        model, arguments, train_dataset=examples, eval_dataset=examples[:4], processing_class=processor
    )
    callback = MIRCallback(trainer, builtin_pairs(count=3))
    trainer.add_callback(callback)
    trainer.train()
    seen = {
        "mir": [entry["eval_mir"] for entry in trainer.state.log_history if "eval_mir" in entry],
        "results": len(callback.results),
    }
    callback.pairs = Unreadable(callback.pairs)  # an error that only the first process meets
    try:
        trainer.train()
    except Exception as error:
        seen["error"] = type(error).__name__
    Path(output, f"seen_{arguments.process_index}.json").write_text(json.dumps(seen))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
