"""``python -m mir_task.study.adopt``: the study's best checkpoint after stage 1 becomes the demo's model."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from safetensors.torch import load_file, save_file
from transformers import LlavaForConditionalGeneration

from mir_task.demo.checkpoint import TRAINED
from mir_task.errors import MIRDataError
from mir_task.study.layout import Layout
from mir_task.study.table import read_models

SUMS = "SHA256SUMS"
SOURCE = "SOURCE"
WEIGHTS, TOKENIZER_CONFIG = "model.safetensors", "tokenizer_config.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Adopt a checkpoint."""
    parser = argparse.ArgumentParser(prog="python -m mir_task.study.adopt", description=__doc__)
    parser.add_argument("study", type=Path, help="output folder of python -m mir_task.study")
    parser.add_argument("--run", help="name of a run; default: the one with the best score after SFT")
    parser.add_argument("--output", type=Path, default=TRAINED)
    given = parser.parse_args(arguments)
    layout = Layout(given.study)
    models = read_models(layout.models)
    run = given.run or best_run(models)
    adopt(layout.stage_one / run, given.output, source_of(models, run))
    print(f"{run} -> {given.output}")
    return 0


def best_run(models: pd.DataFrame) -> str:
    """Name of the run with the best average after SFT, among the plain LLaVAs, which load everywhere.

    Args:
        models: ``models.csv`` of a study.

    Raises:
        MIRDataError: there is no such run.
    """
    plain = models[~models["model"].str.contains("connector-|moca-")]
    if plain.empty:
        raise MIRDataError("the study has no complete run with transformers' own connector")
    return str(plain["model"].iloc[int(plain["average"].argmax())])


def source_of(models: pd.DataFrame, run: str) -> str:
    """Text for the demo's folder: the run that its weights come from, its MIR and score, and how to make them."""
    row = models[models["model"] == run].iloc[0]
    return (
        f"run {run} of the study, after stage 1; mir on the study's pairs {row['mir']:.4f}, "
        f"average after SFT {row['average']:.3f}\n"
        "made by: make study SCALE=full && python -m mir_task.study.adopt study-output/full\n"
    )


def adopt(checkpoint: Path, folder: Path, source: str) -> None:
    """Write a checkpoint, its source and checksums of its files; the folder's old content is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    model = LlavaForConditionalGeneration.from_pretrained(checkpoint)
    for config in (model.config.text_config, model.config.vision_config):
        config.name_or_path = ""  # names a folder of the machine that trained it
    model.save_pretrained(folder)
    for file in sorted(checkpoint.iterdir()):
        if file.suffix in (".json", ".jinja") and not (folder / file.name).exists():
            shutil.copyfile(file, folder / file.name)
    _name_weights(folder / WEIGHTS)
    _name_tokenizer(folder / TOKENIZER_CONFIG)
    (folder / SOURCE).write_text(source)
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}"
        for file in sorted(folder.iterdir())
        if file.name != SUMS
    ]
    (folder / SUMS).write_text("\n".join(lines) + "\n")


def _name_weights(file: Path) -> None:
    """Give the tower's weights their published names.

    transformers 5 writes them without ``vision_model.`` and reads both. transformers 4.57 would not know them: it would
    leave the tower at random weights, and only warn.
    """
    weights = {
        re.sub(r"^vision_tower\.(?!vision_model\.)", "vision_tower.vision_model.", name): value
        for name, value in load_file(file).items()
    }
    save_file(weights, file, metadata={"format": "pt"})


def _name_tokenizer(file: Path) -> None:
    """Name the tokenizer's class and special tokens as transformers 4.57 does; transformers 5 knows both."""
    config = json.loads(file.read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config["model_input_names"] = ["input_ids", "attention_mask"]
    if isinstance(
        extra := config.get("extra_special_tokens"), list
    ):  # transformers 5; 4.57 has names for them here
        config["additional_special_tokens"] = extra
        del config["extra_special_tokens"]
    file.write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
