"""LLaVA and LLaVA-1.5 in transformers' own class."""

from mir_task.adapters.base import Adapter


class LlavaAdapter(Adapter):
    """One image token a patch, scattered into the token embeddings; all of it is in the base class."""

    family = "LLaVA"
    model_types = ("llava",)
