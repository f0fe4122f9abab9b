"""Models with VILA's interface: the remote code of NVILA's checkpoints, and the repository before it.

The remote code's tokenizer knows the image's placeholder, a forward takes ``media`` and ``media_config``, and each
tile's rows are followed by the embedding of a newline. Up to VILA-1.5 the interface is LLaVA's, with the LLM under
``llm``.
"""

from collections import defaultdict, deque

import torch
from torch import nn
from transformers import LlamaForCausalLM, PretrainedConfig

from tests.adapters.stand_ins import HIDDEN, llm_config
from tests.adapters.stand_ins_llava import COMMON, IMAGE_ID, SIZE, VisionTower, of, repository
from tests.tiny.common import byte_tokenizer

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MEDIA_TOKENS = {"image": "<image>", "video": "<vila/video>"}


def media_tokenizer():
    tokenizer = byte_tokenizer(*MEDIA_TOKENS.values(), post=False)
    tokenizer.chat_template, tokenizer.media_tokens = TEMPLATE, MEDIA_TOKENS
    tokenizer.media_token_ids = {
        name: tokenizer.convert_tokens_to_ids(token) for name, token in MEDIA_TOKENS.items()
    }
    return tokenizer


def tokenize_conversation(
    messages, tokenizer, add_generation_prompt=False, overrides=None, no_system_prompt=False
):
    roles = {"human": "user", "gpt": "assistant"}
    turns = [{"role": roles[turn["from"]], "content": turn["value"].strip()} for turn in messages]
    text = tokenizer.apply_chat_template(turns, add_generation_prompt=add_generation_prompt, tokenize=False)
    return tokenizer(text, return_tensors="pt").input_ids[0]


def process_image(
    image_file, data_args, image_folder, enable_dynamic_res=False, enable_dynamic_s2=False, max_tiles=None
):
    """Two tiles of a wide image; for ``dynamic_s2`` the image once more before them, and how tiles lie."""
    processor = data_args.image_processor
    across = 2 if image_file.width > image_file.height else 1
    wide = image_file.resize((across * SIZE, SIZE))
    tiles = [wide.crop((x * SIZE, 0, (x + 1) * SIZE, SIZE)) for x in range(across)]
    if enable_dynamic_s2:
        assert data_args.s2_scales == [SIZE, 2 * SIZE]
        tiles = [image_file.resize((SIZE, SIZE)), *tiles]
    if not enable_dynamic_s2 and not enable_dynamic_res:
        return processor.preprocess(image_file.resize((SIZE, SIZE)), return_tensors="pt")["pixel_values"][0]
    pixels = torch.stack(
        [processor.preprocess(tile, return_tensors="pt")["pixel_values"][0] for tile in tiles]
    )
    return (pixels, (1, across)) if enable_dynamic_s2 else pixels


def process_images(images, image_processor, model_cfg, enable_dynamic_res=False, max_tiles=None):
    model_cfg.image_processor = image_processor
    return torch.stack([process_image(image, model_cfg, None) for image in images])


MM_UTILS = {"process_image": process_image, "process_images": process_images}
repository(
    "stand_in_vila", mm_utils=MM_UTILS, tokenizer_utils={"tokenize_conversation": tokenize_conversation}
)
repository(
    "stand_in_vila_repository",
    mm_utils=MM_UTILS,
    utils={},
    **{"utils.tokenizer": {"tokenize_conversation": tokenize_conversation}},
)
repository("stand_in_vila_1_5", **COMMON)


class Parts(nn.Module):
    def __init__(self, tokenizer, image_aspect_ratio):
        super().__init__()
        torch.manual_seed(0)
        self.tokenizer = tokenizer
        settings = llm_config()
        settings.update({"vocab_size": len(tokenizer), "tokenizer_model_max_length": 2048})
        self.llm = LlamaForCausalLM(settings)
        self.vision_tower, self.mm_projector = VisionTower(), nn.Linear(HIDDEN, HIDDEN)
        self.config = PretrainedConfig(
            image_aspect_ratio=image_aspect_ratio, s2_scales=f"{SIZE},{2 * SIZE}", hidden_size=HIDDEN
        )
        self.config.model_type = "vila"
        self.eval()

    @property
    def dtype(self):
        return self.llm.dtype

    def get_input_embeddings(self):
        return self.llm.get_input_embeddings()

    def get_vision_tower(self):
        return self.vision_tower

    def get_mm_projector(self):
        return self.mm_projector

    def generate(self, *args, **kwargs):
        raise AssertionError("nothing is to be generated")


class VILA(Parts):
    def __init__(self, image_aspect_ratio):
        super().__init__(media_tokenizer(), image_aspect_ratio)

    def encode(self, tiles, config):
        """Rows of each image [n, d]; with ``block_sizes``, all tiles are one image."""
        rows = self.mm_projector(self.vision_tower(torch.stack(tiles)))
        newline = self.llm.model.embed_tokens(self.tokenizer("\n", return_tensors="pt").input_ids[0])
        if "block_sizes" in config:
            ((height, width),) = config["block_sizes"]
            assert len(tiles) == 1 + height * width
            rows = (rows[1:] + rows[:1]).flatten(0, 1)[None]
        return [torch.cat([image, newline]) for image in rows]

    def _embed(self, input_ids, media, media_config, labels, attention_mask):
        rows = deque(self.encode(media["image"], media_config["image"]))
        found = [
            rows.popleft() if token in self.tokenizer.media_token_ids.values() else embedding[None]
            for token, embedding in zip(
                input_ids[0].tolist(), self.llm.model.embed_tokens(input_ids)[0], strict=True
            )
        ]
        if rows:
            raise ValueError("Not all image embeddings are consumed!")
        embeds = torch.cat(found)[None]
        return embeds, labels, torch.ones(embeds.shape[:2], dtype=torch.bool)

    def forward(
        self, input_ids=None, media=None, images=None, media_config=None, attention_mask=None, **kwargs
    ):
        media_config = defaultdict(dict) if media_config is None else media_config
        embeds, _labels, mask = self._embed(input_ids, media, media_config, None, attention_mask)
        return self.llm(inputs_embeds=embeds, attention_mask=mask, **kwargs)


VILAForCausalLM = type("VILAForCausalLM", (VILA,), {"__module__": "stand_in_vila.modeling_vila"})
Repository = type(
    "LlavaLlamaModel", (VILA,), {"__module__": "stand_in_vila_repository.model.language_model.llava_llama"}
)


@of("stand_in_vila_1_5.model.language_model.llava_llama")
class LlavaLlamaModel(Parts):
    """VILA-1.5's; the LLM's config has the length at which prompts are cut."""

    def __init__(self, tokenizer):
        super().__init__(tokenizer, "pad")

    def prepare_inputs_labels_for_multimodal(
        self, input_ids, position_ids, attention_mask, past_key_values, labels, images
    ):
        (ids,), rows = input_ids, self.mm_projector(self.vision_tower(images))[0]
        (at,) = (ids == IMAGE_ID).nonzero().flatten().tolist()
        embeds = self.llm.model.embed_tokens(ids.clamp(min=0))
        embeds = torch.cat([embeds[:at], rows, embeds[at + 1 :]])[
            : self.llm.config.tokenizer_model_max_length
        ]
        return None, position_ids, attention_mask, past_key_values, embeds[None], labels
