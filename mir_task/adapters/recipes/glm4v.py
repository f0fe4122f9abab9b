"""GLM-4V-9B: ``apply_chat_template`` of its tokenizer makes the input, pixels included; the model splices them in."""

from __future__ import annotations

from typing import Any

from PIL import Image

from mir_task.adapters.pipeline import Pipeline
from mir_task.adapters.recipes.fingerprint import fingerprint
from mir_task.errors import MIRModelError

__all__ = ["glm4v"]


def glm4v(model: Any, tokenizer: Any) -> Pipeline:
    """Show GLM-4V the image in the user's turn and the text as the assistant's.

    Args:
        model: a ``ChatGLMForConditionalGeneration`` of the remote code, with a vision tower.
        tokenizer: its ``ChatGLM4Tokenizer``, which also turns images into pixels.

    Raises:
        MIRModelError: the model has no vision tower; text-only GLM models share the class.
    """
    missing = [
        name for name in ("vision_config", "boi_token_id") if getattr(model.config, name, None) is None
    ]
    if missing:
        raise MIRModelError(
            f"{type(model).__name__}: its config has no {' and no '.join(missing)}; this is a text-only GLM, which "
            "cannot be shown an image. GLM-4V-9B is the one of this class with a vision tower"
        )

    def run(image: Image.Image, text: str) -> None:
        turns = [
            {"role": "user", "image": image, "content": ""},
            {"role": "assistant", "content": text},
        ]
        inputs = tokenizer.apply_chat_template(turns, tokenize=True, return_tensors="pt", return_dict=True)
        embedding = model.get_input_embeddings().weight
        inputs = {name: value.to(embedding.device) for name, value in inputs.items()}
        inputs["images"] = inputs["images"].to(embedding.dtype)
        model(**inputs, use_cache=False)

    return Pipeline(run, tokenizer, fingerprint(glm4v, type(tokenizer)), "chat_template")
