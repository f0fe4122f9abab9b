"""GLM-4V-9B's interface: a tokenizer that makes pixels and holds an encoding, a model that splices image rows in."""

import torch
from torch import nn
from transformers import BatchEncoding, LlamaModel

from tests.adapters.stand_ins import (
    HIDDEN,
    ROWS,
    SPECIAL_IDS,
    TOKENIZER,
    ChatGLMEncoder,
    Remote,
    Tower,
    llm_config,
    pixels,
)

BEGIN, END = SPECIAL_IDS["<|begin_of_image|>"], SPECIAL_IDS["<|end_of_image|>"]
VISION = ROWS + 2
"""Image rows, with the tower's begin and end row."""


class Encoding:
    """tiktoken's Encoding as far as it is used: it knows no special tokens."""

    def encode(self, text, disallowed_special="all"):
        assert disallowed_special == ()
        return [token for one in text for token in TOKENIZER.encode(one, add_special_tokens=False)]


class ChatGLM4Tokenizer:
    """Slow, with an attribute ``tokenizer`` that is no tokenizer of transformers'."""

    is_fast = False
    bos_token = None
    convert_tokens_to_ids = staticmethod(TOKENIZER.convert_tokens_to_ids)
    decode = staticmethod(TOKENIZER.decode)

    def __init__(self):
        self.tokenizer = Encoding()

    def __call__(self, text, add_special_tokens=True, return_tensors=None):
        return TOKENIZER(text, add_special_tokens=add_special_tokens, return_tensors=return_tensors)

    def build_single_message(self, role, metadata, message, tokenize=True, message_prefix=None):
        assert role in ["system", "user", "assistant", "observation"], role
        start = TOKENIZER.convert_tokens_to_ids("<|im_start|>")
        text = self.tokenizer.encode(message, disallowed_special=())
        role = self.tokenizer.encode(f"{role}{metadata}\n", disallowed_special=())
        return [start, *role, *(message_prefix or []), *text]

    def apply_chat_template(
        self,
        conversation,
        add_generation_prompt=False,
        tokenize=True,
        padding=False,
        truncation=False,
        max_length=None,
        return_tensors=None,
        return_dict=False,
        **kwargs,
    ):
        assert tokenize and not kwargs
        ids, image = [TOKENIZER.bos_token_id], None
        for item in conversation:
            prefix = None
            if item.get("image"):
                assert image is None, "Multiple images are not supported"
                image, prefix = pixels(item["image"]), [BEGIN, TOKENIZER.eos_token_id, END]
            if item.get("content") or prefix:
                ids += self.build_single_message(
                    item["role"], item.get("metadata", ""), item.get("content") or "", message_prefix=prefix
                )
        if add_generation_prompt:
            ids.append(TOKENIZER.convert_tokens_to_ids("<|im_start|>"))
        output = {
            "input_ids": [ids],
            "attention_mask": [[1] * len(ids)],
            "position_ids": [list(range(len(ids)))],
        }
        output = self.batch_encode_plus(output, return_tensors)
        if not return_dict:
            return output["input_ids"]
        if image is not None:
            output["images"] = image
        return output

    def batch_encode_plus(self, output, return_tensors):
        return BatchEncoding(output, tensor_type=return_tensors)


class ForTransformers4(ChatGLM4Tokenizer):
    """As it is under transformers 5, which has no ``batch_encode_plus`` any more."""

    def batch_encode_plus(self, output, return_tensors):
        raise AttributeError("ChatGLM4Tokenizer has no attribute batch_encode_plus")


class ChatGLMModel(nn.Module):
    """Splices rows, the tower's own begin and end among them, in place of three tokens."""

    def __init__(self):
        super().__init__()
        inner = LlamaModel(llm_config())
        self.embedding = nn.Module()
        self.embedding.word_embeddings = inner.embed_tokens
        self.encoder, self.vision = ChatGLMEncoder(inner), Tower()
        self.boi, self.eoi = nn.Parameter(torch.randn(1, HIDDEN)), nn.Parameter(torch.randn(1, HIDDEN))

    def forward(self, input_ids, images, position_ids, attention_mask, use_cache):
        assert position_ids.shape == attention_mask.shape == input_ids.shape
        assert use_cache is False
        embeds = self.embedding.word_embeddings(input_ids)
        ids = input_ids[0].tolist()
        begin, end = ids.index(BEGIN), ids.index(END)
        assert end - begin == 2
        assert images.dtype == embeds.dtype
        rows = torch.cat([self.boi, self.vision(images), self.eoi])[None]
        return self.encoder(torch.cat([embeds[:, :begin], rows, embeds[:, end + 1 :]], dim=1), None)


class ChatGLMForConditionalGeneration(Remote):
    """GLM-4V-9B; without ``vision`` one of the text-only models of this class."""

    model_type = "chatglm"

    def __init__(self, vision=True):
        super().__init__()
        self.transformer = ChatGLMModel().eval()
        if vision:
            self.config.update(
                {"vision_config": {"image_size": 28}, "boi_token_id": BEGIN, "eoi_token_id": END}
            )

    def get_input_embeddings(self):
        return self.transformer.embedding.word_embeddings

    def forward(
        self,
        input_ids=None,
        images=None,
        position_ids=None,
        attention_mask=None,
        past_key_values=None,
        inputs_embeds=None,
        labels=None,
        use_cache=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
        return_last_logit=False,
    ):
        return self.transformer(input_ids, images, position_ids, attention_mask, use_cache)
