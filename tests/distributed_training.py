"""Run by torchrun in test_callback.py: trains the tiny LLaVA in two processes and writes down what each of them saw."""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoProcessor, LlavaForConditionalGeneration, Trainer, TrainingArguments

from mir_task import MIRCallback
from mir_task.adapters import adapter_for
from mir_task.data import builtin_pairs, open_image


def main(checkpoint, output, fail):
    torch.set_num_threads(1)
    model, processor = (
        LlavaForConditionalGeneration.from_pretrained(checkpoint),
        AutoProcessor.from_pretrained(checkpoint),
    )
    adapter, examples = adapter_for(model, processor), []
    for row in builtin_pairs({"MIR_NUM_PAIRS": "8"}).dataset:
        inputs = adapter.prepare(open_image(row["image"]), row["text"], 40)
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
    callback = MIRCallback(trainer, builtin_pairs({"MIR_NUM_PAIRS": "3"}))
    if fail:
        callback.pairs = [None, None]  # an error that only the first process meets
    trainer.add_callback(callback)
    try:
        trainer.train()
        seen = [entry["eval_mir"] for entry in trainer.state.log_history if "eval_mir" in entry]
    except Exception as error:
        seen = type(error).__name__
    record = [arguments.process_index, seen, len(callback.results)]
    Path(output, f"seen_{arguments.process_index}.json").write_text(json.dumps(record))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3] == "fail")
