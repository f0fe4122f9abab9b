"""AlignGPT's own half of a checkpoint (arXiv 2405.14129).

Both stages put one more vector, the align vector, before the image. In stage 1 it is one of eight indicators, chosen by
the pair's level of alignment, which makes the checkpoint a family of eight models. In stage 2 a gate mixes the
indicators.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from mir_task.checkpoints.components import ComponentTensors
from mir_task.checkpoints.gate import AlignGate
from mir_task.checkpoints.tokens import add_tokens, set_rows
from mir_task.checkpoints.weights import check_shapes
from mir_task.errors import MIRModelError

LEVELS = 8
LEVEL_TOKENS = [f"<align_{level}>" for level in range(LEVELS)]
"""Placeholders of stage 1, one for each indicator."""
GATE_TOKEN = "<align>"
"""The placeholder of stage 2."""


def check_level(level: Any, aligned: bool, stage: int, path: Path) -> int | None:
    """Check the level of alignment that was asked for.

    Args:
        level: as the user gave it; None if none was given.
        aligned: whether the checkpoint is of AlignGPT.
        stage: 1 or 2.
        path: the checkpoint, for messages.

    Returns:
        The level, None if none was given.

    Raises:
        MIRModelError: it is no level, or the checkpoint takes none.
    """
    if level is None:
        return None
    if not aligned:
        raise MIRModelError(f"{path} is no AlignGPT checkpoint, it takes no align_level (got {level!r})")
    if stage == 2:
        raise MIRModelError(
            f"{path} is of AlignGPT's stage 2, which computes the align vector from image and text; "
            "leave out align_level"
        )
    if isinstance(level, bool) or level not in range(LEVELS):
        raise MIRModelError(f"align_level must be a whole number from 0 to {LEVELS - 1}, got {level!r}")
    return int(level)


def check_tensors(tensors: ComponentTensors, width: int, image_rows: int, path: Path) -> None:
    """Compare the indicators and, in stage 2, the gate with what LLM and vision tower need.

    Args:
        tensors: the checkpoint's.
        width: d of the LLM's hidden states.
        image_rows: how many rows an image has.
        path: the file, for messages.

    Raises:
        MIRModelError: keys or shapes do not fit; the message names file, key and both shapes.
    """
    (name,) = tensors.indicators
    what = f"AlignGPT's {LEVELS} indicators for an LLM of width {width}"
    check_shapes(path, tensors.indicators, {name: (LEVELS, width)}, what)
    if tensors.gate:
        hidden = tensors.gate["mlp.0.bias"].shape[0] if "mlp.0.bias" in tensors.gate else 256
        expected = {
            "mlp.0.weight": (hidden, image_rows),
            "mlp.0.bias": (hidden,),
            "mlp.2.weight": (LEVELS - 1, hidden),
            "mlp.2.bias": (LEVELS - 1,),
        }
        check_shapes(path, tensors.gate, expected, f"AlignGPT's gate over {image_rows} image rows")


def add_placeholders(llm: Any, tokenizer: Any, tensors: ComponentTensors) -> None:
    """Give tokenizer and LLM the placeholders of the align vector."""
    if tensors.gate:
        add_tokens(llm, tokenizer, [GATE_TOKEN])
        return
    # A constant vector at a position of its own is a token: stage 1 needs nothing that LLaVA has not.
    add_tokens(llm, tokenizer, LEVEL_TOKENS)
    (indicators,) = tensors.indicators.values()
    set_rows(llm, tokenizer.convert_tokens_to_ids(LEVEL_TOKENS), indicators)


def gate_config(tensors: ComponentTensors) -> list[int]:
    """The config's ``align_gate``: arguments of :class:`AlignGate` after the first."""
    hidden, image_rows = tensors.gate["mlp.0.weight"].shape
    return [image_rows, hidden, LEVELS - 1]


def make_gate(tensors: ComponentTensors) -> AlignGate:
    """Make the gate from its tensors."""
    (indicators,) = tensors.indicators.values()
    gate = AlignGate(indicators.shape[1], *gate_config(tensors))
    weights = {f"gate.{name.removeprefix('mlp.')}": value for name, value in tensors.gate.items()}
    gate.load_state_dict({"indicators": indicators, **weights})
    return gate


def check_conversation(conversation: str, tokenizer: Any) -> None:
    """Refuse prompts in which the align vector would not come second, after the BOS token.

    Raises:
        MIRModelError: the conversation is the LLM's own, or the tokenizer adds no BOS token.
    """
    adds_bos = tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    if conversation == "own" or not adds_bos:
        raise MIRModelError(
            "AlignGPT puts its align vector after the BOS token: it needs a tokenizer that adds one, and "
            "conversation=plain or vicuna_v1"
        )


def at_level(processor: Any, level: int, path: Path) -> Any:
    """Copy the processor of a converted stage 1, with another level's placeholder in its chat template.

    Raises:
        MIRModelError: the processor is of no stage 1 of AlignGPT.
    """
    present = next((token for token in LEVEL_TOKENS if token in str(processor.chat_template)), None)
    if present is None:
        raise MIRModelError(f"{path} is no stage 1 of AlignGPT, it takes no align_level")
    processor = copy.copy(processor)
    processor.chat_template = processor.chat_template.replace(present, LEVEL_TOKENS[level])
    processor.tokenizer.chat_template = processor.chat_template
    return processor
