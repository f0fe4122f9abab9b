"""Cambrian-1 with Vicuna, connectors after layers 1 and 3: cambrian-mllm/cambrian@539ffc3.

Shims:
- ``cambrian`` and ``cambrian.model`` without their __init__, which import the other LLMs' classes;
- the towers' builder, which imports diffusers and more for towers that are not used here: its CLIP tower alone;
- ``timm.models.layers``, which timm has renamed; ``ezcolorlog``, a logger with colours;
- ``transformers.modeling_attn_mask_utils``, gone from transformers 5 (without padding the mask is None);
- its loop calls the decoder layers of transformers 4.37, which made their rotary embedding and returned a tuple: while
  its own forward runs, layers take that call.
"""

import logging
import sys

import timm.layers
import torch

from tests.adapters.real.common import (
    IMAGE_TOKEN_INDEX,
    Shown,
    clip_tower,
    llava_config,
    llava_ids,
    missing,
    package,
    randomise,
    spliced,
    stub,
)
from tests.adapters.stand_ins_llava import plain_tokenizer


class Before:
    """A layer's output as the next layer is given it: the connectors change it between the two."""

    def __init__(self, following):
        self.following = following

    def register_forward_hook(self, hook):
        return self.following.register_forward_pre_hook(lambda module, args: hook(module, args, args[0]))


def load(clone):
    code = _imported(clone)
    tokenizer = plain_tokenizer()
    ids_of = lambda text: llava_ids(code.conversation, text, tokenizer, code.tokenizer_image_token)  # noqa: E731
    config = llava_config(
        tokenizer,
        None,
        mm_vision_tower_aux_list=[clip_tower(56), clip_tower(112)],
        mm_vision_tower_aux_token_len_list=[16, 64],
        mm_projector_type="sva",
        image_token_len=16,
        query_num_list=[16],
        num_query_group=1,
        vision_hidden_size=32,
        connector_only=False,
        connector_depth=2,
        num_of_vision_sampler_layers=2,
        start_of_vision_sampler_layers=0,
        stride_of_vision_sampler_layers=2,
        image_position=ids_of("")[0].tolist().index(IMAGE_TOKEN_INDEX),
        use_cache=False,
    )
    config.pop("mm_vision_tower")
    model = code.Model(code.Config(**config))
    towers = model.get_vision_tower_aux_list()
    for tower in towers:
        tower.load_model()
    layers = model.model.layers

    def one_pass(image, text):
        ids = ids_of(text)
        pixels = [_pixels(image, tower.image_processor, code.expand2square) for tower in towers]

        def run():
            # The two halves of the repository's generate: prepare and remember, then forward.
            prepared = model.prepare_inputs_labels_for_multimodal(
                ids, None, None, None, None, pixels, image_sizes=[image.size]
            )
            model.vision_tower_aux_feature_list, model.vision_tower_aux_attention_masks_list = prepared[6:8]
            model.final_vision_feature_size, model.global_context_feature = prepared[8:]
            with OldCalls(model.model):
                model(
                    inputs_embeds=prepared[4],
                    use_cache=False,
                    output_attentions=False,
                    output_hidden_states=False,
                    return_dict=True,
                )
            del model.vision_tower_aux_feature_list

        return spliced(run, ids, layers[0])

    states = [*map(Before, layers[1:]), None]  # the last is read after the norm
    return Shown(randomise(model), tokenizer, states, model.model.norm, one_pass)


class OldCalls:
    """Decoder layers take the call of transformers 4.37 in the block."""

    def __init__(self, stack):
        self.stack = stack

    def __enter__(self):
        for layer in self.stack.layers:
            layer.forward = (
                lambda hidden, attention_mask=None, position_ids=None, _new=layer.forward, **_more: (
                    self._tuple(_new, hidden, attention_mask, position_ids)
                )
            )

    def __exit__(self, *_error):
        for layer in self.stack.layers:
            del layer.forward

    def _tuple(self, new, hidden, mask, places):
        rotary = self.stack.rotary_emb(hidden, places)
        out = new(hidden, attention_mask=mask, position_ids=places, position_embeddings=rotary)
        return out if isinstance(out, tuple) else (out,)


def _pixels(image, processor, expand2square):
    side = processor.crop_size["height"]
    square = expand2square(image, tuple(int(mean * 255) for mean in processor.image_mean)).resize(
        (side, side)
    )
    return torch.stack(
        [torch.as_tensor(processor.preprocess(square, return_tensors="pt")["pixel_values"][0])]
    )


class _imported:  # noqa: N801
    def __init__(self, clone):
        sys.path.insert(0, str(clone))
        package("cambrian", clone / "cambrian")
        package("cambrian.model", clone / "cambrian/model")
        sys.modules["timm.models.layers"] = timm.layers
        stub("ezcolorlog", root_logger=logging.getLogger("cambrian"))
        missing(
            "transformers.modeling_attn_mask_utils",
            AttentionMaskConverter=None,
            _prepare_4d_attention_mask=None,
            _prepare_4d_causal_attention_mask=None,
            _prepare_4d_causal_attention_mask_for_sdpa=lambda mask, *_: None,
        )
        stub("cambrian.model.multimodal_encoder.builder", build_vision_tower_aux_list=self._towers)
        from cambrian.conversation import conv_templates
        from cambrian.mm_utils import expand2square, tokenizer_image_token
        from cambrian.model.language_model.cambrian_llama import CambrianConfig, CambrianLlamaForCausalLM

        self.Config, self.Model = CambrianConfig, CambrianLlamaForCausalLM
        self.conversation = conv_templates["vicuna_v1"]
        self.expand2square, self.tokenizer_image_token = expand2square, tokenizer_image_token

    @staticmethod
    def _towers(config, **more):
        from cambrian.model.multimodal_encoder.clip_encoder import ClipVisionTower

        named = zip(config.mm_vision_tower_aux_list, config.mm_vision_tower_aux_token_len_list, strict=True)
        return [ClipVisionTower(f"{name}-interp{rows}", args=config, **more) for name, rows in named]
