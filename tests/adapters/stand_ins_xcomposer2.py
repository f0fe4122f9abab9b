"""InternLM-XComposer2's interface: embeddings made by methods of the model, image rows marked by ``im_mask``.

Its methods read images from paths, leave pixels in float32 whatever the weights, and find the tokenizer in an attribute
that is None in a loaded model.
"""

import torch
from PIL import Image
from torch import nn
from transformers import LlamaModel

from tests.adapters.stand_ins import HIDDEN, TOKENIZER, Remote, Tower, llm_config, pixels

SYSTEM = "You are an assistant whose name is XComposer."


class InternLM2DecoderLayer(nn.Module):
    """A decoder layer with a partial LoRA on the image's rows."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.plora = inner, nn.Linear(HIDDEN, HIDDEN, bias=False)

    def forward(self, hidden_states, position, im_mask):
        hidden_states = hidden_states.clone()
        hidden_states[im_mask] += self.plora(hidden_states[im_mask])
        hidden = self.inner(hidden_states, position_embeddings=position)
        return hidden if isinstance(hidden, tuple) else (hidden,)


class InternLM2Model(nn.Module):
    """The stack, which must be told which rows are an image's."""

    def __init__(self):
        super().__init__()
        inner = LlamaModel(llm_config())
        self.tok_embeddings, self.norm, self.rotary = inner.embed_tokens, inner.norm, inner.rotary_emb
        self.layers = nn.ModuleList(InternLM2DecoderLayer(layer) for layer in inner.layers)

    def forward(self, inputs_embeds, im_mask, use_cache):
        assert im_mask.dtype == torch.bool and im_mask.shape == inputs_embeds.shape[:2]
        assert use_cache is False
        hidden = inputs_embeds
        position = self.rotary(hidden, torch.arange(hidden.shape[1])[None])
        for layer in self.layers:
            (hidden,) = layer(hidden, position, im_mask)
        return self.norm(hidden)


class Base(Remote):
    """What both generations share."""

    model_type = "internlm2"

    def __init__(self, max_length=16384):
        super().__init__()
        self.max_length = max_length
        self.model = InternLM2Model().eval()
        self.output = nn.Linear(HIDDEN, len(TOKENIZER), bias=False)
        self.vit, self.vision_proj = Tower(), nn.Linear(HIDDEN, HIDDEN)
        self.tokenizer = None
        self.tiles = []
        """Numbers of tiles that images were cut to."""

    def get_input_embeddings(self):
        return self.model.tok_embeddings

    def encode_text(self, text, add_special_tokens=False):
        token = self.tokenizer(text, return_tensors="pt", add_special_tokens=add_special_tokens).input_ids
        return self.model.tok_embeddings(token)

    def img2emb(self, image):
        # The tower runs in its weights' dtype and gives its rows in that of the pixels: float32.
        rows = self.vision_proj(self.vit(image.to(self.dtype)).to(image.dtype))[None]
        return rows, torch.ones(rows.shape[:2], dtype=torch.long), torch.full(rows.shape[:2], -100)

    def read(self, image):
        assert isinstance(image, str), "a path"
        return pixels(Image.open(image).convert("RGB"))

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        labels=None,
        use_cache=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
        **kwargs,
    ):
        return self.output(self.model(inputs_embeds, kwargs["im_mask"], use_cache))

    @staticmethod
    def turns(query, history, meta_instruction):
        prompt = f"<|im_start|>system\n{meta_instruction}<|im_end|>\n" if meta_instruction else ""
        for question, answer in history:
            prompt += f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"
        return prompt + f"<|im_start|>user\n{query}<|im_end|>\n<|im_start|>assistant\n"

    def joined(self, parts):
        """Embeddings of several parts, [1, n, d] each with whether it is an image, cut to ``max_length``."""
        embeds = torch.cat([part for part, _ in parts], dim=1)
        mask = torch.cat([torch.full(part.shape[:2], float(is_image)) for part, is_image in parts], dim=1)
        return {"inputs_embeds": embeds[:, : self.max_length]}, mask[:, : self.max_length].bool()


class InternLMXComposer2ForCausalLM(Base):
    """2.0: ``interleav_wrap_chat`` wraps an image's embeddings; every part of the prompt gets a BOS."""

    def encode_img(self, image):
        return self.img2emb(self.read(image))[0]

    def interleav_wrap_chat(self, tokenizer, query, image, history, meta_instruction):
        parts = []
        for index, part in enumerate(self.turns(query, history, meta_instruction).split("<ImageHere>")):
            if part:
                parts.append((self.model.tok_embeddings(tokenizer(part, return_tensors="pt").input_ids), 0))
            if index < len(image):
                parts.append((image[index][None], 1))
        return self.joined(parts)

    def chat(
        self, tokenizer, query, image=None, history=(), max_new_tokens=1024, meta_instruction=SYSTEM, **kwargs
    ):
        raise NotImplementedError


XComposer2 = InternLMXComposer2ForCausalLM


class XComposer24KHD(XComposer2):
    """4KHD: images are cut to tiles."""

    def encode_img(self, image, hd_num=25):
        self.tiles.append(hd_num)
        return super().encode_img(image)

    def chat(
        self,
        tokenizer,
        query,
        image=None,
        hd_num=18,
        history=(),
        max_new_tokens=1024,
        meta_instruction=SYSTEM,
        **kwargs,
    ):
        raise NotImplementedError


class InternLMXComposer2ForCausalLM(Base):
    """2.5: ``interleav_wrap_chat`` takes paths; ``chat`` leaves its system prompt out."""

    def encode_img(self, image, hd_num=25):
        self.tiles.append(hd_num)
        return self.img2emb(self.read(image))[0]

    def interleav_wrap_chat(
        self,
        query,
        image,
        history=(),
        meta_instruction="",
        max_length=16384,
        hd_num=24,
    ):
        # The real one takes the argument; the test's smaller limit stays.
        self.max_length = min(self.max_length, max_length)
        prompt = self.turns(query, history, meta_instruction)
        if len(image) == 1 and "<ImageHere>" not in prompt:
            prompt = "<ImageHere>" + prompt
        parts = []
        for index, part in enumerate(prompt.split("<ImageHere>")):
            if index == 0 or part:
                tokens = self.tokenizer(part, return_tensors="pt", add_special_tokens=index == 0)
                parts.append((self.model.tok_embeddings(tokens.input_ids), 0))
            if index < len(image):
                parts.append((self.encode_img(image[index], hd_num), 1))
        inputs, mask = self.joined(parts)
        return inputs, mask, mask.shape[1]

    def chat(
        self,
        tokenizer,
        query,
        image=(),
        hd_num=18,
        history=(),
        max_new_tokens=1024,
        num_beams=1,
        infer_mode="base",
        use_meta=False,
        meta_instruction=SYSTEM,
        **kwargs,
    ):
        raise NotImplementedError


XComposer25 = InternLMXComposer2ForCausalLM
