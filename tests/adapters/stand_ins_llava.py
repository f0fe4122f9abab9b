"""Models with the interface of the original LLaVA's code: LLaVA, InternVL-1.0, Mini-Gemini, AlignGPT.

Kept exactly: where modules are found, names and order of arguments, what methods return, what cuts without a word. The
LLM is transformers' own. ``plain_tokenizer`` knows no role tokens, as LLaMA's does not.
"""

import copy
import sys
from types import ModuleType

import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import nn
from transformers import CLIPImageProcessor, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.adapters.stand_ins import HIDDEN, PATCH, Tower, llm_config
from tests.tiny.common import byte_tokenizer

IMAGE_ID = -200
SIZE = 2 * PATCH


def plain_tokenizer():
    named = byte_tokenizer().backend_tokenizer.to_str().replace("<|im_", "<|other_")
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(named), bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


class Conversation:
    """A template; ``get_prompt`` writes the roles of ``messages`` without an answer as the place for one."""

    def __init__(self, write, roles=("USER", "ASSISTANT"), messages=()):
        self.write, self.roles, self.messages = write, roles, [list(message) for message in messages]

    def copy(self):
        return Conversation(self.write, self.roles, self.messages)

    def append_message(self, role, message):
        self.messages.append([role, message])

    def get_prompt(self):
        return self.write(self.messages)


def vicuna(messages):
    ends = " ", "</s>"
    turns = [
        f"{role}: {text}{ends[i % 2]}" if text else f"{role}:" for i, (role, text) in enumerate(messages)
    ]
    return "Be polite. " + "".join(turns)


def chatml(messages):
    turns = [f"{role}{text}<|im_end|>" if text else role for role, text in messages]
    return "<|im_start|>system\nAnswer.<|im_end|>" + "".join(turns)


CHATML_ROLES = "<|im_start|>user\n", "<|im_start|>assistant\n"
TEMPLATES = {"vicuna_v1": Conversation(vicuna), "chatml_direct": Conversation(chatml, CHATML_ROLES)}


def expand2square(image, background):
    side = max(image.size)
    square = Image.new(image.mode, (side, side), background)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def process_images(images, image_processor, model_cfg):
    if getattr(model_cfg, "image_aspect_ratio", None) == "pad":
        images = [
            expand2square(image, tuple(int(x * 255) for x in image_processor.image_mean)) for image in images
        ]
    return image_processor(images, return_tensors="pt")["pixel_values"]


def repository(name, **modules):
    """Put a repository's modules where its classes' code is found."""
    for path, content in {"": {}, **modules}.items():
        module = ModuleType(f"{name}.{path}".rstrip("."))
        module.__path__ = []
        module.__dict__.update(content)
        sys.modules[module.__name__] = module


def of(name):
    """Say that a class comes from a module."""

    def named(cls):
        cls.__module__ = name
        return cls

    return named


COMMON = {"conversation": {"conv_templates": TEMPLATES}, "mm_utils": {"process_images": process_images}}
repository("stand_in_llava", **COMMON)
repository("stand_in_mgm", **COMMON)
repository(
    "stand_in_aligngpt",
    utils={},
    **{"utils.conversation": COMMON["conversation"], "utils.mm_utils": COMMON["mm_utils"]},
)


class VisionTower(Tower):
    """[n, 3, 28, 28] -> [n, 4, hidden]."""

    num_patches = 4

    def __init__(self, size=SIZE):
        super().__init__()
        self.image_processor = CLIPImageProcessor(
            size={"shortest_edge": size}, crop_size={"height": size, "width": size}
        )
        self.seen = []

    def forward(self, images):
        self.seen.append(tuple(images.shape))
        return torch.stack([super(VisionTower, self).forward(image[None]) for image in images])


class Spliced(LlamaForCausalLM):
    """What the repositories share; ``prepare_inputs_labels_for_multimodal`` is each one's own."""

    def __init__(self, tokenizer, **config):
        settings = llm_config()
        settings.update({"vocab_size": len(tokenizer), "tokenizer_model_max_length": 2048, **config})
        torch.manual_seed(0)
        super().__init__(settings)
        self.model.vision_tower = VisionTower()
        self.model.mm_projector = nn.Linear(HIDDEN, HIDDEN)
        self.eval()

    def get_model(self):
        return self.model

    def get_vision_tower(self):
        return self.model.vision_tower

    def generate(self, *args, **kwargs):
        raise AssertionError("nothing is to be generated")

    def encode_images(self, images):
        return self.model.mm_projector(self.get_vision_tower()(images))

    def splice(self, input_ids, rows):
        """Put an image's rows in the place of its number, and cut."""
        (ids,) = input_ids
        (at,) = (ids == IMAGE_ID).nonzero().flatten().tolist()
        before, after = self.model.embed_tokens(ids[:at]), self.model.embed_tokens(ids[at + 1 :])
        return torch.cat([before, rows, after])[None, : self.config.tokenizer_model_max_length]

    def through_llm(self, inputs_embeds, use_cache):
        return LlamaForCausalLM.forward(self, inputs_embeds=inputs_embeds, use_cache=use_cache)


@of("stand_in_llava.model.language_model.llava_llama")
class LlavaLlamaForCausalLM(Spliced):
    def prepare_inputs_labels_for_multimodal(
        self, input_ids, position_ids, attention_mask, past_key_values, labels, images, image_sizes=None
    ):
        assert len(image_sizes) == len(images) == 1
        embeds = self.splice(input_ids, self.encode_images(images)[0])
        return None, position_ids, attention_mask, past_key_values, embeds, labels

    def forward(self, input_ids=None, images=None, image_sizes=None, use_cache=None):
        prepared = self.prepare_inputs_labels_for_multimodal(
            input_ids, None, None, None, None, images, image_sizes
        )
        return self.through_llm(prepared[4], use_cache)


InternVL1 = type(
    "LlavaLlamaForCausalLM", (Spliced,), {"__module__": "stand_in_llava.model.language_model.llava_llama"}
)


def prepare_internvl1(self, input_ids, attention_mask, past_key_values, labels, images):
    embeds = self.splice(input_ids, self.encode_images(images)[0])
    return None, attention_mask, past_key_values, embeds, labels


def forward_internvl1(self, input_ids=None, images=None, use_cache=None):
    return self.through_llm(prepare_internvl1(self, input_ids, None, None, None, images)[3], use_cache)


InternVL1.prepare_inputs_labels_for_multimodal = prepare_internvl1
InternVL1.forward = forward_internvl1


@of("stand_in_mgm.model.language_model.mgm_llama")
class MGMLlamaForCausalLM(Spliced):
    """The high-resolution tower's rows are pooled onto those of the low-resolution one, tile by tile."""

    def __init__(self, tokenizer, **config):
        super().__init__(tokenizer, image_size_aux=4 * PATCH, **config)
        self.model.vision_tower_aux = nn.Conv2d(3, HIDDEN, PATCH // 2, PATCH // 2)

    def prepare_inputs_labels_for_multimodal(
        self, input_ids, position_ids, attention_mask, past_key_values, labels, images=None, images_aux=None
    ):
        images = images[0] if images.ndim == 5 else images
        high = self.model.vision_tower_aux(images_aux)
        rows = self.get_vision_tower()(images).flatten(0, 1) + high.mean(dim=(0, 2, 3))
        return (
            None,
            position_ids,
            attention_mask,
            past_key_values,
            self.splice(input_ids, self.project(rows)),
            labels,
        )

    def project(self, rows):
        return self.model.mm_projector(rows)

    def forward(self, input_ids=None, images=None, images_aux=None, use_cache=None):
        prepared = self.prepare_inputs_labels_for_multimodal(
            input_ids, None, None, None, None, images, images_aux
        )
        return self.through_llm(prepared[4], use_cache)


@of("stand_in_aligngpt.model.aligngpt")
class AlignGPTForCausalLM(Spliced):
    """Has no stage until ``set_stage`` gives it one."""

    def __init__(self, tokenizer, **config):
        super().__init__(tokenizer, **config)
        self.vision_tower, self.mm_projector = self.model.vision_tower, self.model.mm_projector
        self.indicators = nn.Parameter(torch.randn(HIDDEN))

    def set_stage(self, stage):
        assert stage in ("pretrain", "finetune", "inference")
        self.stage = stage

    def get_vision_tower(self):
        return self.vision_tower

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        images=None,
        align_ids=None,
        inputs_embeds=None,
        use_cache=None,
    ):
        if inputs_embeds is not None:
            raise ValueError("Shouldn't reach here")
        embeds = self.splice(input_ids, self.encode_images(images)[0])
        if self.stage == "pretrain":
            align = self.indicators[align_ids]
        else:  # a gate, over image and text
            align = self.indicators * embeds.mean() * attention_mask[:, 1:].float().mean()
        embeds = torch.cat([embeds[:, :1], align.expand(1, 1, -1), embeds[:, 1:]], dim=1)
        return self.through_llm(embeds, use_cache)


def low_and_high(image, model):
    """Mini-Gemini's two images, as its evaluation makes them: [1, 3, 28, 28] (or tiles of it) and [1, 3, 56, 56]."""
    processor = copy.deepcopy(model.get_vision_tower().image_processor)
    side = model.config.image_size_aux
    processor.crop_size, processor.size = {"height": side, "width": side}, {"shortest_edge": side}
    high = process_images([image], processor, model.config)
    grid = getattr(model.config, "image_grid", 1)
    scaled = nn.functional.interpolate(
        high, size=(grid * SIZE, grid * SIZE), mode="bilinear", align_corners=False
    )
    if grid == 1:
        return scaled, high
    tiles = [
        scaled[:, :, y * SIZE : (y + 1) * SIZE, x * SIZE : (x + 1) * SIZE]
        for y in range(grid)
        for x in range(grid)
    ]
    if getattr(model.config, "image_global", False):
        tiles.append(
            nn.functional.interpolate(scaled, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
        )
    return torch.cat(tiles)[None], high


PROMPT = "Be polite. USER: <image>\n ASSISTANT: {}</s>"
"""The template of the stand-ins' conversations, filled as their own code fills it."""
BEFORE = 1 + len("Be polite. USER: ")


def prompt_ids(tokenizer, text, prompt=PROMPT):
    before, after = prompt.format(text).split("<image>", 1)
    after = tokenizer(after, add_special_tokens=False)["input_ids"]
    return torch.tensor([[*tokenizer(before)["input_ids"], IMAGE_ID, *after]])
