"""The oracle: an LLM run over texts and image rows that are computed from raw weights and put together by hand.

Nothing of mir_task.checkpoints is used here.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from transformers import (
    CLIPImageProcessor,
    CLIPVisionModel,
    LlamaForCausalLM,
    SiglipImageProcessor,
    SiglipVisionModel,
)

from mir_task.adapters import adapter_for
from mir_task.demo.checkpoint import build_tokenizer
from tests.checkpoints import original

IMAGE = Image.linear_gradient("L").resize((90, 60)).convert("RGB")
TEXT = "A grey slope, dark above and bright below."
BOS = [1]


def ids(text):
    """Token ids of a text, without BOS."""
    return build_tokenizer(placeholders=())(text, add_special_tokens=False)["input_ids"]


def pixels(tower, image=IMAGE):
    """The image as the tower's own preprocessing makes it."""
    cls = CLIPImageProcessor if "clip" in tower.name else SiglipImageProcessor
    return cls.from_pretrained(tower)(image, return_tensors="pt")["pixel_values"]


def image_rows(tower, projector_type="mlp2x_gelu", layer=-2, skip=1):
    """Rows of the image [rows, d]: a layer of the tower without its first ``skip`` rows, through the projector."""
    cls = CLIPVisionModel if "clip" in tower.name else SiglipVisionModel
    with torch.no_grad():
        model = cls.from_pretrained(tower).eval()
        rows = model(pixels(tower), output_hidden_states=True).hidden_states[layer][0, skip:]
        for index, linear in enumerate(original.linears(projector_type)):
            rows = F.linear(F.gelu(rows) if index else rows, linear.weight, linear.bias)
    return rows


def splice(llm, *pieces, table=None):
    """Hidden states [sequence, d] of an LLM at every layer, over pieces one after another.

    Args:
        llm: a folder or a model.
        pieces: lists of token ids, and rows [n, d].
        table: the token embedding, if it is not the LLM's own.
    """
    model = llm if isinstance(llm, LlamaForCausalLM) else LlamaForCausalLM.from_pretrained(llm).eval()
    table = model.model.embed_tokens.weight if table is None else table
    rows = [table[piece] if isinstance(piece, list) else piece for piece in pieces]
    with torch.no_grad():
        states = model(inputs_embeds=torch.cat(rows)[None], output_hidden_states=True).hidden_states
    return [state[0] for state in states]


def hidden_states(model, processor):
    """Hidden states [sequence, d] of a loaded model at every layer, over the image and the text."""
    inputs = adapter_for(model, processor).prepare(IMAGE, TEXT, 1024)
    with torch.no_grad():
        return [state[0] for state in model(**inputs, output_hidden_states=True).hidden_states]


def assert_spliced(model, processor, *pieces, llm, table=None):
    """A loaded model's hidden states are those of the splice, up to round-off."""
    ours, expected = hidden_states(model, processor), splice(llm, *pieces, table=table)
    assert len(ours) == len(expected) == original.LAYERS + 1
    for layer, (one, other) in enumerate(zip(ours, expected, strict=True)):
        assert one.shape == other.shape
        assert (one - other).abs().max() < 2e-5, f"layer {layer}"
