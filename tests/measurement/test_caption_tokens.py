"""Which tokens are a caption's own, where tokenizers merge its ends with the template."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from mir_task import MIRModelError
from mir_task.adapters import adapter_for
from mir_task.checkpoints.templates import template
from mir_task.measurement.caption_tokens import after_image, caption_tokens, template_frame
from mir_task.measurement.perplexity import caption_perplexity
from tests.adapters.examples import IMAGES, SQUARE
from tests.tiny import BUILDERS

SPACE, NEWLINE = "Ġ", "Ċ"
"""Letters that byte-level tokenizers write for these bytes."""
MERGES = [(".", NEWLINE), ("!", NEWLINE), (SPACE, NEWLINE), (NEWLINE, NEWLINE), (SPACE, "A"), (NEWLINE, "z")]
TEMPLATES = {
    "plain": template("plain"),
    "turns": "{% for m in messages %}{{ m.role }}: {% for c in m.content %}{{ '<image>\n' if c.type == 'image' "
    "else c.text }}{% endfor %}{{ '\n' }}{% endfor %}",
}


def merging_llava(conversation):
    """A tiny LLaVA whose tokenizer has tokens across words and punctuation, as Llama 3's and Qwen's."""
    model, processor = BUILDERS["llava"]()
    tokenizer = processor.tokenizer
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    parts["model"]["merges"] = [list(pair) for pair in MERGES]
    for pair in MERGES:
        parts["model"]["vocab"]["".join(pair)] = len(parts["model"]["vocab"])
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(parts))
    model.resize_token_embeddings(len(tokenizer))
    processor.chat_template = TEMPLATES[conversation]
    return model, processor


@pytest.fixture(scope="module", params=list(TEMPLATES))
def adapter(request):
    return adapter_for(*merging_llava(request.param))


def tokens_with_a_byte_of(caption, adapter, after):
    """Places of the ids that hold a byte of the caption, from the lengths of the vocabulary's tokens."""
    prompt = adapter.prompt(caption).encode()
    tokens = adapter.tokenizer.convert_ids_to_tokens(after)  # written with one letter a byte
    stop = len(prompt) - len("\n")
    first, at = stop - len(caption.encode()), len(prompt)
    held = []
    for place in reversed(range(len(tokens))):
        at -= len(tokens[place])
        if at < stop and at + len(tokens[place]) > first:
            held.append(place)
    return held[::-1]


@given(caption=st.text("Aaz.! \né", min_size=1, max_size=12).filter(str.strip))
def test_a_caption_has_every_token_that_holds_a_character_of_it(adapter, caption):
    after = after_image(adapter, adapter.prepare(SQUARE, caption, 1000))
    own = caption_tokens(adapter, template_frame(adapter, SQUARE), after, caption, 1000)
    assert list(range(own.start, own.stop)) == tokens_with_a_byte_of(caption, adapter, after)


def test_the_loss_of_a_full_stop_that_is_one_token_with_the_newline_is_the_captions():
    model, processor = merging_llava("plain")
    captions = ["A ferry.", "no stop"]
    losses, counts = [], []
    for image, caption in zip(IMAGES, captions, strict=True):
        inputs = processor(text=[f"<image>{caption}\n"], images=[image], return_tensors="pt")
        tokens = processor.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
        begin = len(tokens) - tokens[::-1].index("<image>")
        end = len(tokens) - (tokens[-1] == NEWLINE)
        labels = torch.full_like(inputs["input_ids"], -100)
        labels[0, begin:end] = inputs["input_ids"][0, begin:end]
        inputs.pop("token_type_ids", None)
        with torch.no_grad():
            losses.append(float(model(**inputs, labels=labels).loss) * (end - begin))
        counts.append(end - begin)
    found = caption_perplexity(model, processor, list(zip(IMAGES, captions, strict=True)), progress=False)
    assert counts == [len("A ferry."), len("no stop")]  # ".\n" is one token, "\n" is none of the caption's
    assert found.tokens == sum(counts)
    assert found.nll == pytest.approx(losses, rel=1e-4)
    assert found.caption_ppl == pytest.approx(math.exp(sum(losses) / sum(counts)), rel=1e-4)


def test_a_tokenizer_that_does_not_tell_its_tokens_characters_is_refused(monkeypatch):
    model, processor = merging_llava("plain")
    monkeypatch.setattr(type(processor.tokenizer), "is_fast", False)
    pairs = [(image, "It ends.") for image in IMAGES]
    with pytest.raises(
        MIRModelError, match=r"pair \w+: .* the tokenizer does not tell which characters each"
    ):
        caption_perplexity(model, processor, pairs, progress=False)
