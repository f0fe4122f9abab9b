"""Similarity of image and text in the eyes of a CLIP model."""

from __future__ import annotations

from collections.abc import Iterable

from tqdm import tqdm

from mir_task.data.arguments import Argument, ArgumentError
from mir_task.pair import Pair


def clip_similarities(clip: str, pairs: Iterable[Pair]) -> list[float]:
    """Cosine between CLIP's embeddings of image and text, for each pair; texts are cut to what CLIP reads.

    Raises:
        ArgumentError: no CLIPModel with tokenizer and image processor under that name.
    """
    import torch
    from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, CLIPModel

    try:
        if (model_type := AutoConfig.from_pretrained(clip).model_type) != "clip":
            raise ValueError(f"its model_type is {model_type!r}, not 'clip'")
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = CLIPModel.from_pretrained(clip).eval().to(device)
        tokenizer, processor = AutoTokenizer.from_pretrained(clip), AutoImageProcessor.from_pretrained(clip)
    except Exception as error:  # transformers raises many unrelated classes for what it cannot load
        raise ArgumentError(
            Argument.CLIP,
            f": cannot load a CLIPModel, its tokenizer and image processor from {clip}: {error}",
        ) from error
    longest = model.config.text_config.max_position_embeddings
    similarities = []
    for pair in tqdm(pairs, desc="MIR: CLIP similarity", unit="pair"):
        text = tokenizer(pair.text, truncation=True, max_length=longest, return_tensors="pt")
        image = processor(images=pair.image, return_tensors="pt")
        with torch.inference_mode():
            output = model(
                input_ids=text["input_ids"].to(device),
                attention_mask=text["attention_mask"].to(device),
                pixel_values=image["pixel_values"].to(device),
            )
        similarities.append(float(torch.cosine_similarity(output.image_embeds, output.text_embeds)))
    return similarities
