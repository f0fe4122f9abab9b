"""Loads and converts checkpoints of pre-training in the original layouts of LLaVA and AlignGPT."""

from mir_task.checkpoints.convert import convert
from mir_task.checkpoints.load import Loaded, load

__all__ = ["Loaded", "convert", "load"]
