"""``python -m mir_task.demo.pretrain``: a stage 1 in small, with MIR in the Trainer's log.

Trains the projector of the tiny LLaVA on the built-in images and passages. Its LLM is of random weights and the
passages do not describe the images, so the curve shows that the machinery runs and nothing else.
"""

from __future__ import annotations

import argparse
from typing import Any

from transformers import LlavaForConditionalGeneration, Trainer, TrainingArguments

from mir_task.adapters import adapter_for
from mir_task.data import builtin_pairs
from mir_task.demo.checkpoint import build_model, build_processor
from mir_task.training.callback import MIRCallback

TEXT_TOKENS = 64


def examples(model: LlavaForConditionalGeneration, processor: Any, pairs: int) -> list[dict[str, Any]]:
    """Make training examples of the built-in pairs, in the template that MIR is measured in.

    All are cut to one length, and the loss leaves the image out.
    """
    adapter = adapter_for(model, processor)
    made = []
    for pair in builtin_pairs(count=pairs):
        inputs = adapter.prepare(pair.image, pair.text, TEXT_TOKENS)
        vision = inputs["input_ids"][0].eq(model.config.image_token_id)
        length = int(vision.sum()) + TEXT_TOKENS
        ids = inputs["input_ids"][0, :length]
        labels = ids.masked_fill(vision[:length], -100)
        made.append({"input_ids": ids, "labels": labels, "pixel_values": inputs["pixel_values"][0]})
    return made


def main() -> None:
    """Train, and print the Trainer's log."""
    parser = argparse.ArgumentParser(prog="python -m mir_task.demo.pretrain", description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--every_steps", type=int, default=10, help="measure MIR after so many")
    parser.add_argument(
        "--output", default="demo-pretrain", help="folder for MIR's results, one a measurement"
    )
    given = parser.parse_args()
    processor = build_processor()
    model = build_model(processor.tokenizer)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "multi_modal_projector" in name
    arguments = TrainingArguments(
        given.output,
        max_steps=given.steps,
        per_device_train_batch_size=8,
        learning_rate=1e-3,
        logging_steps=given.every_steps,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    train = examples(model, processor, 80)
    trainer = Trainer(model, arguments, train_dataset=train, processing_class=processor)
    pairs = builtin_pairs(count=20)
    trainer.add_callback(
        MIRCallback(trainer, pairs, at=None, every_steps=given.every_steps, output_dir=given.output)
    )
    trainer.train()


if __name__ == "__main__":
    main()
