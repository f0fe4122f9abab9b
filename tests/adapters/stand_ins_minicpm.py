"""MiniCPM-V as its remote code has it: 2.0, and Llama3-V 2.5 and 2.6, which differ little from one another.

What is kept is what a caller meets: names and defaults of arguments, three beams where nothing is sampled, a prompt
that is cut at ``max_inp_length``, a processor that is loaded by name where none is given, and in 2.0 a language model
that cannot generate. ``shown`` holds what each forward pass was made from, for tests to compute its rows again.
"""

import torch
import transformers
from torch import nn
from transformers import LlamaForCausalLM, LlamaModel

from tests.adapters.stand_ins import HIDDEN, ROWS, Remote, Tower, llm_config, pixels
from tests.tiny.common import byte_tokenizer

TAGS = ("<image>", "</image>", "<slice>", "</slice>", "<用户>", "<AI>")
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def minicpm_tokenizer():
    tokenizer = byte_tokenizer(*TAGS)
    tokenizer.im_start, tokenizer.im_end, tokenizer.slice_start, tokenizer.slice_end = TAGS[:4]
    tokenizer.chat_template = CHATML
    return tokenizer


def slices(image):
    """The image, and of a wide one its halves too."""
    width, height = image.size
    if width < 1.5 * height:
        return [image]
    return [image, image.crop((0, 0, width // 2, height)), image.crop((width // 2, 0, width, height))]


def place(tokenizer, count):
    one = tokenizer.im_start + tokenizer.unk_token * ROWS + tokenizer.im_end
    grid = tokenizer.slice_start + one * (count - 1) + tokenizer.slice_end
    return one + (grid if count > 1 else "")


def bounds(tokenizer, ids):
    start, end = (
        (ids == tokenizer.convert_tokens_to_ids(tag)).nonzero()[:, 0]
        for tag in (tokenizer.im_start, tokenizer.im_end)
    )
    return torch.stack([start + 1, end], dim=1)


class WithVision(Remote):
    model_type = "minicpmv"
    scale = 1

    def __init__(self, llm):
        super().__init__()
        self.llm, self.vpm, self.shown = llm(llm_config()).eval(), Tower().eval(), []

    @property
    def device(self):
        return torch.device("cpu")

    def get_input_embeddings(self):
        return self.llm.get_input_embeddings()

    def get_vllm_embedding(self, data):
        rows = [torch.cat([self.vpm(each[None].to(self.dtype)) for each in data["pixel_values"][0]])]
        embeds = self.llm.model.embed_tokens(data["input_ids"]) * self.scale
        at = torch.cat([torch.arange(first, last) for first, last in data["image_bound"][0].tolist()])
        embeds[0].scatter_(0, at[:, None].repeat(1, HIDDEN), rows[0].to(embeds.dtype))
        self.shown.append((embeds.detach().clone(), data["input_ids"][0], data["image_bound"][0]))
        return embeds, rows


# 2.0


class MiniCPMForCausalLM(nn.Module):
    """Has lost ``generate`` to transformers 4.50."""

    def __init__(self, config):
        super().__init__()
        self.model, self.lm_head = LlamaModel(config), nn.Linear(HIDDEN, config.vocab_size)

    def get_input_embeddings(self):
        return self.model.embed_tokens


class MiniCPMPreTrainedModel(WithVision):
    """The base that 2.0 alone has."""


class MiniCPMV2(MiniCPMPreTrainedModel):
    scale = 12

    def __init__(self, slice_mode=True):
        super().__init__(MiniCPMForCausalLM)
        self.config.update({"slice_mode": slice_mode, "query_num": ROWS})

    def transform(self, image):
        return pixels(image)[0]

    def get_slice_image_placeholder(self, image, tokenizer):
        images = slices(image)
        return images, place(tokenizer, len(images))

    def chat(
        self,
        image,
        msgs,
        context,
        tokenizer,
        vision_hidden_states=None,
        max_new_tokens=1024,
        sampling=True,
        max_inp_length=2048,
        **kwargs,
    ):
        return self.llm.generate()


# Llama3-V 2.5, 2.6


class MiniCPMVProcessor:
    def __init__(self, tokenizer, padding=-1):
        self.tokenizer, self.image_processor, self.padding = tokenizer, slices, padding

    def __call__(self, text, images=None, max_length=None, return_tensors="pt", **kwargs):
        parts = [each for image in images for each in self.image_processor(image)]
        text = text.replace("(<image>./</image>)", place(self.tokenizer, len(parts)))
        ids = torch.tensor(self.tokenizer(text)["input_ids"][:max_length])
        return {
            "input_ids": ids[None],
            "attention_mask": ids[None].ne(self.padding),  # by the id alone: in the real code 0
            "image_bound": [bounds(self.tokenizer, ids)],
            "pixel_values": [[pixels(each)[0] for each in parts]],
        }


class MiniCPMV(WithVision):
    def __init__(self):
        super().__init__(LlamaForCausalLM)
        self.config._name_or_path = "openbmb/MiniCPM-V-2_6"

    def chat(
        self,
        image,
        msgs,
        tokenizer,
        processor=None,
        vision_hidden_states=None,
        max_new_tokens=1024,
        sampling=True,
        max_inp_length=130,
        system_prompt="",
        stream=False,
        **kwargs,
    ):
        if processor is None:
            path = self.config._name_or_path
            processor = transformers.AutoProcessor.from_pretrained(path, trust_remote_code=True)
        turns = [dict(turn) for turn in msgs]
        turns[0]["content"] = "(<image>./</image>)\n" + turns[0]["content"]
        prompt = processor.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        inputs = processor(prompt, [image], return_tensors="pt", max_length=max_inp_length)
        generation = {"do_sample": True} if sampling else {"num_beams": 3, "repetition_penalty": 1.2}
        generation.update((name, kwargs[name]) for name in generation.keys() & kwargs.keys())
        generation["attention_mask"] = inputs["attention_mask"]
        embeds, _ = self.get_vllm_embedding(inputs)
        ids = self.llm.generate(
            inputs_embeds=embeds, pad_token_id=0, max_new_tokens=max_new_tokens, **generation
        )
        return tokenizer.decode(ids[0])
