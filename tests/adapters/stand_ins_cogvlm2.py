"""CogVLM2's interface: its own ``build_conversation_input_ids``, image rows put into the stack's own embeddings."""

import torch
from torch import nn
from transformers import LlamaModel

from tests.adapters.stand_ins import HIDDEN, ROWS, TOKENIZER, Remote, Tower, llm_config, pixels

FORMATS = {"base": None, "chat": "Answer:", "vqa": "Short answer:"}


class CogVLMModel(nn.Module):
    """The stack that takes ids and images; the vision tower, with a begin and an end row of its own, is part of it."""

    def __init__(self):
        super().__init__()
        inner = LlamaModel(llm_config())
        self.embed_tokens, self.layers, self.norm = inner.embed_tokens, inner.layers, inner.norm
        self.rotary, self.vision = inner.rotary_emb, Tower()
        self.boi, self.eoi = nn.Parameter(torch.randn(1, HIDDEN)), nn.Parameter(torch.randn(1, HIDDEN))

    def forward(self, input_ids, images, token_type_ids, attention_mask, use_cache, inputs_embeds=None):
        assert input_ids is not None and inputs_embeds is None
        assert len(input_ids) == len(images)
        assert attention_mask.all() and use_cache is False
        hidden = self.embed_tokens(input_ids)
        rows = torch.cat(
            [self.boi, self.vision(torch.stack([one for each in images for one in each])), self.eoi]
        )
        hidden = hidden.index_put([token_type_ids == 1], rows)
        position = self.rotary(hidden, torch.arange(hidden.shape[1])[None])
        for layer in self.layers:
            hidden = layer(hidden, position_embeddings=position)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return self.norm(hidden)


class CogVLMForCausalLM(Remote):
    """CogVLM2; its config names no model_type."""

    model_type = ""

    def __init__(self, template_version="chat"):
        super().__init__()
        self.model = CogVLMModel().eval()
        self.lm_head = nn.Linear(HIDDEN, len(TOKENIZER))
        self.config.update({"template_version": template_version, "vision_config": {"image_size": 28}})

    def get_input_embeddings(self):
        return self.model.embed_tokens

    def forward(
        self,
        input_ids=None,
        images=None,
        token_type_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        use_cache=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
        labels=None,
    ):
        assert labels is None
        return self.lm_head(self.model(input_ids, images, token_type_ids, attention_mask, use_cache))

    def build_conversation_input_ids(
        self, tokenizer, *, query, history=None, images=None, template_version=None, answer=None
    ):
        assert images is None or len(images) <= 1
        prompt = self.prompt(template_version or self.config.template_version, query)
        ids, kinds = [tokenizer.bos_token_id], [0]
        if images:
            images = [pixels(images[0])[0]]
            tokenizer.pad_token_id = TOKENIZER.convert_tokens_to_ids("<imgpad>")
            ids += [tokenizer.pad_token_id] * (ROWS + 2)
            kinds += [1] * (ROWS + 2)
        text = tokenizer.encode(prompt, add_special_tokens=False)
        if answer is not None:
            text += [*tokenizer.encode(answer, add_special_tokens=False), tokenizer.eos_token_id]
        ids, kinds = ids + text, kinds + [0] * len(text)
        return {
            "input_ids": torch.tensor(ids),
            "token_type_ids": torch.tensor(kinds),
            "attention_mask": torch.ones(len(ids), dtype=torch.long),
            "images": images,
            "labels": None,
        }

    @staticmethod
    def prompt(version, query):
        return f"Question: {query} {FORMATS[version]}" if FORMATS[version] else query


class WithoutAnswer(CogVLMForCausalLM):
    """CogVLM, whose method takes no answer."""

    def build_conversation_input_ids(
        self, tokenizer, *, query, history=None, images=None, template_version=None
    ):
        return super().build_conversation_input_ids(
            tokenizer, query=query, history=history, images=images, template_version=template_version
        )
