"""``python -m mir_task.checkpoints convert SRC --base_llm … --output DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mir_task.errors import MIRError


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    whole = argparse.ArgumentParser(prog="python -m mir_task.checkpoints", description=__doc__)
    commands = whole.add_subparsers(dest="command", required=True)
    command = commands.add_parser("convert", help="write an ordinary transformers checkpoint")
    command.add_argument("pretrained", metavar="SRC", help="folder, or the projector's file")
    command.add_argument("--output", required=True, help="a new folder")
    command.add_argument("--base_llm", help="the LLM that a projector or LoRA adapters were trained on")
    command.add_argument("--vision_tower", help="CLIP or SigLIP; default: the one that config.json names")
    command.add_argument("--tokenizer", help="default: base_llm's, or that of a full checkpoint")
    command.add_argument("--align_level", type=int, help="0-7, for AlignGPT's stage 1")
    command.add_argument("--stage", type=int, choices=(1, 2), help="default: told from the files")
    command.add_argument("--conversation", help="plain, vicuna_v1, own, or a Jinja file")
    command.add_argument("--dtype", default="auto", help="default: the LLM's")
    command.add_argument("--mm_projector_type", help="linear or mlpNx_gelu; default: config.json's")
    command.add_argument("--mm_vision_select_layer", type=int)
    command.add_argument("--mm_vision_select_feature", choices=("patch", "cls_patch"))
    command.add_argument("--image_aspect_ratio", choices=("square", "pad"))
    command.add_argument("--mm_use_im_start_end", action=argparse.BooleanOptionalAction)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; errors go to stderr without a traceback, status 1."""
    given = vars(parser().parse_args(arguments))
    given.pop("command")
    from mir_task.checkpoints.convert import convert

    try:
        folder = convert(**given)
    except MIRError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
