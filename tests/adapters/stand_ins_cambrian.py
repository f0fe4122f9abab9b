"""A model with Cambrian-1's interface: towers in a list, ten returned values, samplers between decoder layers.

Its own ``forward`` uses the samplers only once ``generate`` has left what they sample from on the model.
"""

import torch
from torch import nn

from tests.adapters.stand_ins import HIDDEN, PATCH
from tests.adapters.stand_ins_llava import (
    Conversation,
    Spliced,
    VisionTower,
    expand2square,
    of,
    repository,
    vicuna,
)

LLAMA_3_END = "<|start_header_id|>assistant<|end_header_id|>"


def llama_3(messages):
    """Writes the header of an answer behind everything, also behind an answer."""
    assert messages[0][1], "first message should not be none"
    turns = [f"<|start_header_id|>{role}<|end_header_id|>{text}<|eot_id|>" for role, text in messages if text]
    return "<|begin_of_text|>Be Cambrian.<|eot_id|>" + "".join(turns) + LLAMA_3_END


TEMPLATES = {"vicuna_v1": Conversation(vicuna), "llama_3": Conversation(llama_3, ("user", "assistant"))}
# Without process_images, which in the repository works on CUDA alone.
repository(
    "stand_in_cambrian",
    conversation={"conv_templates": TEMPLATES},
    mm_utils={"expand2square": expand2square},
)


class Sampler(nn.Module):
    """Takes queries [n, 1, d], a context [n, 1, d], and features and masks of each tower."""

    def __init__(self):
        super().__init__()
        self.query = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, queries, context, *features_and_masks):
        features = features_and_masks[: len(features_and_masks) // 2]
        return queries + self.query(queries) + context + sum(f.mean(dim=1, keepdim=True) for f in features)


@of("stand_in_cambrian.model.language_model.cambrian_llama")
class CambrianLlamaForCausalLM(Spliced):
    """The image's grid of 2 x 2 rows gets a newline behind each line; padding of a wide image is cut off."""

    def __init__(self, tokenizer, connector_only=False, **config):
        super().__init__(tokenizer, connector_only=connector_only, image_position=24, **config)
        self.config.start_of_vision_sampler_layers, self.config.stride_of_vision_sampler_layers = 0, 2
        del self.model.vision_tower
        self.model.vision_tower_aux_list = nn.ModuleList([VisionTower(), VisionTower(4 * PATCH)])
        self.model.vision_sampler_layers = nn.ModuleList([Sampler(), Sampler()])
        self.model.image_newline = nn.Parameter(torch.randn(HIDDEN))
        self.eval()

    def get_vision_tower_aux_list(self):
        return self.model.vision_tower_aux_list

    def prepare_inputs_labels_for_multimodal(
        self,
        input_ids,
        position_ids,
        attention_mask,
        past_key_values,
        labels,
        images,
        image_aux_attention_masks_list=None,
        image_sizes=None,
    ):
        ((width, height),) = image_sizes
        small, large = (t(i)[0] for t, i in zip(self.get_vision_tower_aux_list(), images, strict=True))
        rows = self.model.mm_projector(small + large.mean(dim=0)).view(2, 2, HIDDEN)
        rows = rows[:1] if width > height else rows
        features = [tower[: rows.shape[0] * 2, None] for tower in (small, large)]
        newline = self.model.image_newline.expand(rows.shape[0], 1, -1)
        embeds = self.splice(input_ids, torch.cat([rows, newline], dim=1).flatten(0, 1))
        context = small.mean(dim=0).expand(rows.shape[0] * 2, 1, -1)
        masks = [torch.ones(f.shape[:2], dtype=torch.bool) for f in features]
        size = [tuple(rows.shape[:2])]
        return (
            None,
            position_ids,
            attention_mask,
            past_key_values,
            embeds,
            labels,
            features,
            masks,
            size,
            context,
        )

    def with_samplers(self, embeds, features, masks, sizes, context):
        """What the repository's loop over decoder layers does after ``generate`` has prepared the rest.

        Returns:
            The hidden states [sequence, d] after each layer and its sampler, the last after the final norm.
        """
        ((height, width),) = sizes
        first, last = self.config.image_position, self.config.image_position + height * (width + 1)
        position = self.model.rotary_emb(embeds, torch.arange(embeds.shape[1])[None])
        length, hidden, states = embeds.shape[1], embeds, []
        causal = torch.full((length, length), float("-inf")).triu(1)[None, None]
        for index, layer in enumerate(self.model.layers):
            hidden = layer(hidden, attention_mask=causal, position_embeddings=position)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
            if index in (0, 2) and not self.config.connector_only:
                grid = hidden[0, first:last].view(height, width + 1, HIDDEN)
                queries = grid[:, :-1].reshape(-1, 1, HIDDEN)
                sampled = self.model.vision_sampler_layers[index // 2](queries, context, *features, *masks)
                grid = torch.cat([sampled.view(height, width, HIDDEN), grid[:, -1:]], dim=1).flatten(0, 1)
                hidden = torch.cat([hidden[:, :first], grid[None], hidden[:, last:]], dim=1)
            states.append(hidden[0])
        return [*states[:-1], self.model.norm(hidden)[0]]

    def forward(self, input_ids=None, inputs_embeds=None, use_cache=None):
        raise AssertionError("leaves out the samplers, and was written for other decoder layers")


def pixels(image, model):
    """[1, 3, side, side] for each tower, as the repository's process_images makes them."""
    found = []
    for tower in model.get_vision_tower_aux_list():
        processor = tower.image_processor
        side = processor.crop_size["height"]
        square = expand2square(image, tuple(int(x * 255) for x in processor.image_mean)).resize((side, side))
        found.append(processor.preprocess(square, return_tensors="pt")["pixel_values"])
    return found
