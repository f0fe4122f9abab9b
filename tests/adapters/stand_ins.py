"""Models that bring vision in as remote-code families do, small enough to read.

The families' own code is not in any package. What is kept of each is what the search for decoder and vision rows
meets: the names of modules, who is called with what, and how image rows get into the sequence.
"""

import torch
from PIL import Image
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel, PretrainedConfig

from tests.tiny.common import TEXT, byte_tokenizer, special_ids

HIDDEN = TEXT["hidden_size"]
PATCH = 14
ROWS = 4
"""Rows of an image of one tile."""
PATH_TOKENS = 256
"""Tokens, and rows, that Qwen-VL gives to an image's path."""
SPECIAL = (
    "<img>",
    "</img>",
    "<imgpad>",
    "<IMG_CONTEXT>",
    "<image>",
    "<|begin_of_image|>",
    "<|end_of_image|>",
)
TOKENIZER = byte_tokenizer(*SPECIAL)
SPECIAL_IDS = {token: TOKENIZER.convert_tokens_to_ids(token) for token in SPECIAL}
IMAGE_ID = -200
"""The original LLaVA's, which is no token."""


def llm_config():
    return LlamaConfig(**TEXT, **special_ids(TOKENIZER))


class Tower(nn.Module):
    """[1, 3, h, w] pixels of 28 x 28 -> [4, hidden] rows; with layers of its own, more than the decoder has."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, HIDDEN, PATCH, PATCH)
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.GELU()) for _ in range(6))

    def forward(self, pixels):
        rows = self.patches(pixels).flatten(2).transpose(1, 2).flatten(0, 1)
        for layer in self.layers:
            rows = rows + layer(rows)
        return rows


def pixels(image):
    """An image as [1, 3, 28, 28] in 0..1."""
    image = image.convert("RGB").resize((2 * PATCH, 2 * PATCH))
    values = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return values.reshape(1, 2 * PATCH, 2 * PATCH, 3).permute(0, 3, 1, 2) / 255


class Remote(nn.Module):
    """The base of remote code, as far as it is met here."""

    model_type = ""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.config = PretrainedConfig(llm_config=llm_config())
        self.config.model_type = self.model_type
        self.generation_config = None
        self.eval()

    @property
    def dtype(self):
        return next(self.parameters()).dtype


# Written in place into the output of the token embedding: InternVL


class Conversation:
    def __init__(self):
        self.roles, self.messages, self.system_message = ("user", "assistant"), [], "Be brief."

    def append_message(self, role, message):
        self.messages.append((role, message))

    def get_prompt(self):
        turns = "".join(f"<|im_start|>{role}\n{message}<|im_end|>\n" for role, message in self.messages)
        return f"<|im_start|>system\n{self.system_message}<|im_end|>\n{turns}"


def get_conv_template(name):
    assert name == "internvl2_5"
    return Conversation()


class InternVLChatModel(Remote):
    model_type = "internvl_chat"
    template = "internvl2_5"
    system_message = "Answer briefly."
    num_image_token = ROWS

    def __init__(self):
        super().__init__()
        vision = PretrainedConfig(image_size=28)
        self.config.update({"use_thumbnail": True, "max_dynamic_patch": 4, "dynamic_image_size": True})
        self.config.vision_config, self.config.force_image_size = vision, 28
        self.vision_model = Tower()
        self.language_model = LlamaForCausalLM(llm_config()).eval()
        self.img_context_token_id = None

    def get_input_embeddings(self):
        return self.language_model.get_input_embeddings()

    def forward(self, pixel_values, input_ids, attention_mask, image_flags, use_cache=None):
        rows = self.vision_model(pixel_values)[image_flags.squeeze(-1).repeat_interleave(ROWS) == 1]
        embeds = self.language_model.get_input_embeddings()(input_ids)
        flat = embeds.reshape(-1, HIDDEN)
        flat[input_ids.flatten() == self.img_context_token_id] = rows
        return self.language_model(inputs_embeds=embeds, attention_mask=attention_mask, use_cache=use_cache)


# Overwritten inside the stack, which is never handed embeddings: Qwen-VL, CogVLM


class QWenModel(nn.Module):
    def __init__(self):
        super().__init__()
        inner = LlamaModel(llm_config())
        self.wte, self.h = inner.embed_tokens, inner.layers
        self.ln_f, self.rotary = inner.norm, inner.rotary_emb
        self.visual = Tower()

    def forward(self, input_ids, attention_mask=None, inputs_embeds=None):
        hidden = self.wte(input_ids)
        ids = input_ids[0].tolist()
        first, last = ids.index(SPECIAL_IDS["<img>"]) + 1, ids.index(SPECIAL_IDS["</img>"])
        path = "".join(TOKENIZER.decode([one]) for one in ids[first:last] if one != SPECIAL_IDS["<imgpad>"])
        rows = self.visual(pixels(Image.open(path)).to(hidden.dtype))
        hidden = hidden.clone()
        hidden[0, first:last] = rows.repeat(PATH_TOKENS // ROWS, 1)
        position = self.rotary(hidden, torch.arange(hidden.shape[1])[None])
        for block in self.h:
            hidden = block(hidden, position_embeddings=position)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return self.ln_f(hidden)


class QWenLMHeadModel(Remote):
    model_type = "qwen"

    def __init__(self, chat=True):
        super().__init__()
        self.transformer = QWenModel().eval()
        self.lm_head = nn.Linear(HIDDEN, len(TOKENIZER))
        self.generation_config = PretrainedConfig(chat_format="chatml" if chat else "raw")

    def get_input_embeddings(self):
        return self.transformer.wte

    def forward(self, input_ids, attention_mask=None, use_cache=None):
        return self.lm_head(self.transformer(input_ids, attention_mask=attention_mask))


class QWenTokenizer:
    """Paths between <img> and </img> take 256 tokens. It calls an encoding of its own ``tokenizer``."""

    is_fast = False
    bos_token = None
    pad_token_id = eod_id = TOKENIZER.eos_token_id
    tokenizer = TOKENIZER.backend_tokenizer
    encode = staticmethod(TOKENIZER.encode)
    convert_tokens_to_ids = staticmethod(TOKENIZER.convert_tokens_to_ids)
    decode = staticmethod(TOKENIZER.decode)

    def from_list_format(self, parts):
        image, text = parts
        return f"Picture 1:<img>{image['image']}</img>\n{text['text']}"

    def __call__(self, text, return_tensors=None, add_special_tokens=True, padding=False):
        if "<img>" in text:
            before, rest = text.split("<img>")
            path, after = rest.split("</img>")
            padding = "<imgpad>" * (PATH_TOKENS - len(path.encode()))
            text = f"{before}<img>{path}{padding}</img>{after}"
        return TOKENIZER(text, return_tensors=return_tensors, add_special_tokens=False)


class CogVLMModel(nn.Module):
    """The vision tower is inside the language model's module."""

    def __init__(self):
        super().__init__()
        inner = LlamaModel(llm_config())
        self.embed_tokens, self.layers, self.norm = inner.embed_tokens, inner.layers, inner.norm
        self.rotary, self.vision = inner.rotary_emb, Tower()

    def forward(self, input_ids, token_type_ids, attention_mask, images=None):
        hidden = self.embed_tokens(input_ids)
        if images is not None:
            rows = self.vision(images[0][0])
            hidden = hidden.index_put([token_type_ids == 1], rows)
        position = self.rotary(hidden, torch.arange(hidden.shape[1])[None])
        for layer in self.layers:
            hidden = layer(hidden_states=hidden, position_embeddings=position)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return self.norm(hidden)


class OverwritingModel(Remote):
    model_type = "cogvlm"

    def __init__(self, cross_attention=False):
        super().__init__()
        self.model = CogVLMModel().eval()
        if cross_attention:  # CogAgent's high-resolution branch
            for layer in self.model.layers:
                layer.cross_attn = nn.Linear(HIDDEN, HIDDEN)
        self.lm_head = nn.Linear(HIDDEN, len(TOKENIZER))

    def get_input_embeddings(self):
        return self.model.embed_tokens

    def build_conversation_input_ids(self, tokenizer, query, history, images):
        question = tokenizer(f" Question: {query} Answer:", add_special_tokens=False)["input_ids"]
        ids = [tokenizer.bos_token_id, *[tokenizer.pad_token_id] * ROWS, *question]
        kinds = [0, *[1] * ROWS, *[0] * len(question)]
        return {
            "input_ids": torch.tensor(ids),
            "token_type_ids": torch.tensor(kinds),
            "attention_mask": torch.ones(len(ids), dtype=torch.long),
            "images": [pixels(images[0])],
        }

    def generate(self, input_ids, token_type_ids, attention_mask, images, max_new_tokens, **kwargs):
        assert max_new_tokens == 1
        hidden = self.model(input_ids, token_type_ids, attention_mask, images)
        return torch.cat([input_ids, self.lm_head(hidden)[:, -1:].argmax(-1)], dim=1)


# Spliced in at -200, the sequence gets longer: the original LLaVA, Mini-Gemini, Cambrian-1, VILA, XComposer


class SplicingModel(Remote):
    """Pads with rows of zeros, as the original does in a batch; here always to ``padded_to`` positions."""

    model_type = "llava_llama"

    def __init__(self, padded_to=0, cross_attention_only=False):
        super().__init__()
        self.model = LlamaModel(llm_config()).eval()
        self.vision_tower = Tower()
        self.lm_head = nn.Linear(HIDDEN, len(TOKENIZER))
        self.padded_to, self.cross_attention_only = padded_to, cross_attention_only

    def get_input_embeddings(self):
        return self.model.embed_tokens

    def forward(self, input_ids, images):
        (at,) = (input_ids[0] == IMAGE_ID).nonzero().flatten().tolist()
        before = self.model.embed_tokens(input_ids[:, :at])
        after = self.model.embed_tokens(input_ids[:, at + 1 :])
        rows = self.vision_tower(images)[None]
        embeds = torch.cat([before, after] if self.cross_attention_only else [before, rows, after], dim=1)
        mask = torch.ones(1, embeds.shape[1], dtype=torch.bool)
        padding = max(0, self.padded_to - embeds.shape[1])
        embeds = nn.functional.pad(embeds, (0, 0, 0, padding))
        mask = nn.functional.pad(mask, (0, padding))
        return self.lm_head(self.model(inputs_embeds=embeds, attention_mask=mask).last_hidden_state)


# Spliced inside an encoder of other names, called with hidden states: GLM-4V


class ChatGLMEncoder(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.layers, self.final_layernorm, self.rotary = inner.layers, inner.norm, inner.rotary_emb

    def forward(self, hidden_states, attention_mask):
        position = self.rotary(hidden_states, torch.arange(hidden_states.shape[1])[None])
        for layer in self.layers:
            hidden_states = layer(hidden_states, position_embeddings=position)
            hidden_states = hidden_states[0] if isinstance(hidden_states, tuple) else hidden_states
        return self.final_layernorm(hidden_states)


class ChatGLMModel(nn.Module):
    def __init__(self):
        super().__init__()
        inner = LlamaModel(llm_config())
        self.embedding = nn.Module()
        self.embedding.word_embeddings = inner.embed_tokens
        self.encoder, self.vision = ChatGLMEncoder(inner), Tower()

    def forward(self, input_ids, images):
        embeds = self.embedding.word_embeddings(input_ids)
        ids = input_ids[0].tolist()
        first, last = ids.index(SPECIAL_IDS["<|begin_of_image|>"]), ids.index(SPECIAL_IDS["<|end_of_image|>"])
        embeds = torch.cat([embeds[:, : first + 1], self.vision(images)[None], embeds[:, last:]], dim=1)
        return self.encoder(embeds, None)


class SplicingEncoder(Remote):
    model_type = "chatglm"

    def __init__(self):
        super().__init__()
        self.transformer = ChatGLMModel().eval()

    def get_input_embeddings(self):
        return self.transformer.embedding.word_embeddings
