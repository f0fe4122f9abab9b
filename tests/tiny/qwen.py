"""Qwen-VL, GLM-V, InternVL and MiniCPM-V."""

import transformers as t

from tests.tiny.common import TEXT, VISION, byte_tokenizer, chat_template, random, rope, special_ids

TOKENS = {
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
}
BLOCK = "<|vision_start|><|image_pad|><|vision_end|>"
SIDES = {"shortest_edge": 28 * 28, "longest_edge": 84 * 84}


def qwen_tokenizer():
    return byte_tokenizer(*TOKENS.values(), old="Qwen2TokenizerFast", post=False)


def ids(tokenizer, tokens):
    """Entries of a config that are token ids."""
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in tokens.items()}


def qwen_processor(cls, tokenizer, patch=14, video="Qwen2VLVideoProcessor"):
    return getattr(t, cls)(
        image_processor=t.Qwen2VLImageProcessor(size=SIDES, patch_size=patch),
        tokenizer=tokenizer,
        video_processor=getattr(t, video)(size=SIDES, patch_size=patch),
        chat_template=chat_template(BLOCK),
    )


def qwen2_vl():
    tokenizer = qwen_tokenizer()
    config = t.Qwen2VLConfig(
        text_config={**TEXT, **special_ids(tokenizer), **rope(mrope_section=[2, 3, 3])},
        vision_config={"depth": 3, "embed_dim": 32, "hidden_size": 64, "num_heads": 4, "patch_size": 14},
        **ids(tokenizer, TOKENS),
    )
    return random(t.Qwen2VLForConditionalGeneration, config), qwen_processor("Qwen2VLProcessor", tokenizer)


def qwen2_5_vl():
    tokenizer = qwen_tokenizer()
    vision = {
        "depth": 3,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 4,
        "out_hidden_size": 64,
        "patch_size": 14,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    }
    config = t.Qwen2_5_VLConfig(
        text_config={**TEXT, **special_ids(tokenizer), **rope(mrope_section=[2, 3, 3])},
        vision_config=vision,
        **ids(tokenizer, TOKENS),
    )
    model = random(t.Qwen2_5_VLForConditionalGeneration, config)
    return model, qwen_processor("Qwen2_5_VLProcessor", tokenizer)


QWEN3_VISION = {
    "depth": 3,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_heads": 4,
    "out_hidden_size": 64,
    "patch_size": 16,
    "num_position_embeddings": 16,
}


def qwen3_vl():
    tokenizer = qwen_tokenizer()
    config = t.Qwen3VLConfig(
        text_config={**TEXT, **special_ids(tokenizer), "head_dim": 16, **rope(mrope_section=[2, 3, 3])},
        vision_config={**QWEN3_VISION, "deepstack_visual_indexes": [0, 1, 2]},
        **ids(tokenizer, TOKENS),
    )
    processor = qwen_processor("Qwen3VLProcessor", tokenizer, 16, "Qwen3VLVideoProcessor")
    return random(t.Qwen3VLForConditionalGeneration, config), processor


HYBRID_ROPE = rope(mrope_section=[2, 3, 3], mrope_interleaved=True, partial_rotary_factor=0.5)
HYBRID = {
    "layer_types": [*["linear_attention"] * 3, "full_attention"],
    "head_dim": 32,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}


def qwen3_5():
    tokenizer = qwen_tokenizer()
    config = t.Qwen3_5Config(
        text_config={**TEXT, **HYBRID, **HYBRID_ROPE, **special_ids(tokenizer)},
        vision_config=QWEN3_VISION,
        **ids(tokenizer, TOKENS),
    )
    processor = qwen_processor("Qwen3VLProcessor", tokenizer, 16, "Qwen3VLVideoProcessor")
    return random(t.Qwen3_5ForConditionalGeneration, config), processor


def glm4v():
    tokens = {
        "image_start_token_id": "<|begin_of_image|>",
        "image_token_id": "<|image|>",
        "image_end_token_id": "<|end_of_image|>",
        "video_start_token_id": "<|begin_of_video|>",
        "video_token_id": "<|video|>",
        "video_end_token_id": "<|end_of_video|>",
    }
    tokenizer = byte_tokenizer(*tokens.values(), post=False)
    config = t.Glm4vConfig(
        text_config={
            **TEXT,
            **special_ids(tokenizer),
            **rope(mrope_section=[1, 1, 2], partial_rotary_factor=0.5),
            "partial_rotary_factor": 0.5,
        },
        vision_config={
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 4,
            "out_hidden_size": 64,
            "image_size": 56,
            "patch_size": 14,
        },
        **ids(tokenizer, tokens),
    )
    sides = {"shortest_edge": 2 * 28 * 28, "longest_edge": 2 * 84 * 84}
    processor = t.Glm4vProcessor(
        image_processor=t.Glm4vImageProcessor(size=sides),
        tokenizer=tokenizer,
        video_processor=t.Glm4vVideoProcessor(size=sides),
        chat_template=chat_template("<|begin_of_image|><|image|><|end_of_image|>"),
    )
    return random(t.Glm4vForConditionalGeneration, config), processor


def internvl():
    tokens = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = byte_tokenizer(
        *tokens.values(), extra_special_tokens=tokens, old="Qwen2TokenizerFast", post=False
    )
    processor = t.InternVLProcessor(
        image_processor=t.GotOcr2ImageProcessor(
            size={"height": 28, "width": 28}, crop_to_patches=True, max_patches=4
        ),
        tokenizer=tokenizer,
        video_processor=t.InternVLVideoProcessor(size={"height": 28, "width": 28}),
        image_seq_length=4,
        chat_template=chat_template("<IMG_CONTEXT>"),
    )
    config = t.InternVLConfig(
        text_config=t.Qwen2Config(**TEXT, **special_ids(tokenizer)),
        vision_config=t.InternVLVisionConfig(
            **{**VISION, "image_size": [28, 28], "patch_size": [7, 7]}, use_mean_pooling=False
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    return random(t.InternVLForConditionalGeneration, config), processor


def minicpm_tokenizer():
    names = (
        "image",
        "video",
        "image_start",
        "image_end",
        "slice_start",
        "slice_end",
        "image_id_start",
        "image_id_end",
    )
    tokens = {f"{name}_token": f"<|{name}|>" for name in names}
    return byte_tokenizer(*tokens.values(), extra_special_tokens=tokens, post=False)


def minicpm(version, **tokens):
    """A MiniCPM-V of transformers' classes of this version, whose config names these tokens too."""
    tokenizer = minicpm_tokenizer()
    config = getattr(t, f"MiniCPMV{version}Config")(
        text_config={
            "model_type": "qwen3_5_text",
            **TEXT,
            **HYBRID,
            **HYBRID_ROPE,
            **special_ids(tokenizer),
        },
        vision_config={**VISION, "image_size": 112, "insert_layer_id": 1},
        image_size=112,
        insert_layer_id=1,
        **ids(tokenizer, {"image_token_id": "<|image|>", "video_token_id": "<|video|>", **tokens}),
    )
    processor = getattr(t, f"MiniCPMV{version}Processor")(
        image_processor=t.MiniCPMV4_6ImageProcessor(scale_resolution=112, patch_size=14),
        video_processor=t.MiniCPMV4_6VideoProcessor(scale_resolution=112, patch_size=14),
        tokenizer=tokenizer,
        chat_template=chat_template("<|image|>"),
    )
    return random(getattr(t, f"MiniCPMV{version}ForConditionalGeneration"), config), processor


def minicpmv4_6():
    return minicpm("4_6")


def minicpmv4_7():
    return minicpm(
        "4_7",
        image_start_id="<|image_start|>",
        image_end_id="<|image_end|>",
        slice_start_id="<|slice_start|>",
        slice_end_id="<|slice_end|>",
        newline_id="Ċ",  # a line break's byte, as byte-level tokenizers write it
    )


BUILDERS = {
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "qwen3_5": qwen3_5,
    "glm4v": glm4v,
    "internvl": internvl,
    "minicpmv4_6": minicpmv4_6,
    "minicpmv4_7": minicpmv4_7,
}
