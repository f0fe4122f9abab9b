"""MiniCPM-V 2.0: HwwwwwwwH/MiniCPM-V-2@1878519 (the hub's openbmb/MiniCPM-V-2 before its processor).

Shims: those of ``minicpm.old_names``; ``config.rope_scaling``, which transformers 5 answers with a dictionary. Its
tokenizer has no sentencepiece on transformers 5 and a byte vocabulary is taken there, so the two numbers differ.
"""

import json

import sentencepiece
import torch

from tests.adapters.examples import TEXTS
from tests.adapters.real.common import Shown
from tests.adapters.real.minicpm import QUERIES, SPECIAL, TEXT, built, old_names, tiny_folder, watched
from tests.tiny.common import OLD, byte_tokenizer


def load(clone):
    old_names()
    config = json.loads((clone / "config.json").read_text())
    config.update(TEXT, query_num=QUERIES, vision_encoder="test_vit", patch_size=16, image_size=64)
    config.update(scale_resolution=64, max_slice_nums=4)
    folder = tiny_folder(clone, config, None if OLD else byte_tokenizer(*SPECIAL))
    if OLD:
        _sentencepiece(clone, folder)
    model, tokenizer = built(folder, rope_scaling=None)

    def one_pass(image, text):
        shown, place = model.get_slice_image_placeholder(image, tokenizer)
        ids = tokenizer.encode(f"<用户>{place}\n<AI>{text}")
        ids = torch.tensor([ids if ids[0] == tokenizer.bos_token_id else [tokenizer.bos_token_id, *ids]])
        ends = [
            (ids[0] == tokenizer.convert_tokens_to_ids(name)).nonzero()[:, 0]
            for name in ("<image>", "</image>")
        ]
        data = {
            "input_ids": ids,
            "image_bound": [torch.stack([ends[0] + 1, ends[1]], 1)],
            "pixel_values": [[model.transform(each) for each in shown]],
        }
        return watched(
            model,
            lambda: model.llm.model(inputs_embeds=model.get_vllm_embedding(data)[0], use_cache=False),
        )

    stack = model.llm.model
    return Shown(model, tokenizer, stack.layers, stack.norm, one_pass, number=32)


def _sentencepiece(clone, folder):
    """A tiny sentencepiece model with bytes as a last resort, which the family's slow tokenizer reads."""
    own = [name for name in SPECIAL if "|" not in name and "_id" not in name]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 50),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=320,
        model_type="bpe",
        byte_fallback=True,
        user_defined_symbols=own,
        pad_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    config = json.loads((clone / "tokenizer_config.json").read_text())
    config["added_tokens_decoder"] = {
        str(pieces.piece_to_id(name)): {"content": name, "special": True, "normalized": False}
        for name in ["<unk>", "<s>", "</s>", *own]
        if name not in ("<用户>", "<AI>")
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
