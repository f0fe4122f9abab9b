"""What the families' scripts share: pairs, tiny towers, random weights, stubs of imports, the independent number."""

import importlib
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

from mir_task import Pair
from tests.adapters import examples
from tests.adapters.hooked import expected_mir
from tests.tiny.common import TEXT, VISION

WORDS = " ".join(examples.TEXTS).split()
IMAGE_TOKEN_INDEX = -200
"""Id that LLaVA and its descendants put where the image will be."""


class Shown(NamedTuple):
    """A tiny random model of a family's own class, and how that family itself runs a pair.

    Attributes:
        layers: the decoder's layers, which give hidden states [1, sequence, d].
        norm: the decoder's final norm.
        one_pass: from a pair, a function that runs the model over it, and the family's vision mask [sequence].
            The mask may be a list that the function fills.
        number: how many pairs are measured.
    """

    model: Any
    tokenizer: Any
    layers: Any
    norm: Any
    one_pass: Callable
    number: int = 16


def pairs(number):
    """Pairs of pictures and texts, many enough that there are more rows than dimensions in either modality.

    Scipy's root of a singular product is good to 1e-5 only.
    """
    rng = np.random.default_rng(0)
    return [
        Pair(
            examples.IMAGES[index % 2].rotate(7 * index),
            " ".join(rng.choice(WORDS, 10 + 5 * (index % 3) + 160 // number)),
            f"pair {index}",
        )
        for index in range(number)
    ]


def independent_mir(shown):
    """MIR in float64 from hooks on the family's own forward and from its own mask."""
    passes = (shown.one_pass(pair.image, pair.text) for pair in pairs(shown.number))
    return expected_mir(shown.layers, shown.norm, passes)


def randomise(model, std=0.2):
    """Random weights everywhere, also where a family's code leaves memory as it was.

    A norm's gains are not all one: rows after an RMS norm would be equally long, and which of them are outliers a
    matter of round-off.
    """
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        gain = parameter.dim() == 1 and name.endswith("weight")
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data.copy_(1 + 0.3 * noise if gain else std * noise)
    return model.float().eval()


def clip_tower(size=56):
    """Folder of a tiny CLIP tower; "openai" in its name tells LLaVA's builders what it is."""
    folder = Path(tempfile.mkdtemp()) / f"openai-clip-{size}"
    tower = CLIPVisionModel(CLIPVisionConfig(**{**VISION, "hidden_size": 64, "image_size": size}))
    randomise(tower).save_pretrained(folder)  # Cambrian's towers are no modules of its model
    crop = {"height": size, "width": size}
    CLIPImageProcessor(size={"shortest_edge": size}, crop_size=crop).save_pretrained(folder)
    return str(folder)


def llava_config(tokenizer, tower, **more):
    """Entries of the config that LLaVA and its descendants share."""
    return {
        **TEXT,
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "mm_vision_tower": tower,
        "mm_hidden_size": 64,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        **more,
    }


def llava_ids(conversation, text, tokenizer, tokenizer_image_token):
    """Ids [1, sequence] of one exchange, by the repository's own conversation and tokenisation."""
    conversation = conversation.copy()
    conversation.append_message(conversation.roles[0], "<image>\n")
    conversation.append_message(conversation.roles[1], text)
    return tokenizer_image_token(conversation.get_prompt(), tokenizer, return_tensors="pt")[None]


def spliced(run, ids, first, skip=0):
    """A pass of a family that puts rows in the place of one id.

    Args:
        run: runs the model.
        ids: ids [1, sequence] with the image's place.
        first: the first decoder layer.
        skip: how many of the rows, from the first on, are not vision.
    """
    mask, at = [], ids[0].tolist().index(IMAGE_TOKEN_INDEX)

    def keep(_module, args, kwargs):
        states = args[0] if args else kwargs["hidden_states"]
        rows = states.shape[1] - ids.shape[1] + 1
        mask[:] = [False] * (at + skip) + [True] * (rows - skip) + [False] * (ids.shape[1] - at - 1)

    def forward():
        handle = first.register_forward_pre_hook(keep, with_kwargs=True)
        run()
        handle.remove()

    return forward, mask


def package(name, folder):
    """A package of the clone without what its __init__ imports."""
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


def stub(name, **names):
    """A module that the code imports and this run does not need; its parents are left alone."""
    module = types.ModuleType(name)
    vars(module).update(names)
    sys.modules[name] = module
    return module


def missing(name, **names):
    """Names that a newer version of a package has dropped, where they are gone."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError:
        stub(name, **names)
        return
    for each, value in names.items():
        if not hasattr(module, each):
            setattr(module, each, value)
