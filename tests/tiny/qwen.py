"""Qwen-VL, GLM-V, InternVL and MiniCPM-V."""

import transformers as t

from tests.tiny.parts import TEXT, VISION, byte_tokenizer, chat_template, random, rope, special_ids

BLOCK = "<|vision_start|><|image_pad|><|vision_end|>"
SIDES = {"shortest_edge": 28 * 28, "longest_edge": 84 * 84}


def qwen_tokenizer():
    return byte_tokenizer(
        *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
        old="Qwen2TokenizerFast",
        post=False,
    )


def ids(tokenizer):
    names = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
    names |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}


def qwen_processor(cls, tokenizer, patch=14, video="Qwen2VLVideoProcessor", **kwargs):
    return getattr(t, cls)(
        image_processor=t.Qwen2VLImageProcessor(size=SIDES, patch_size=patch, **kwargs),
        tokenizer=tokenizer,
        video_processor=getattr(t, video)(size=SIDES, patch_size=patch, **kwargs),
        chat_template=chat_template(BLOCK),
    )


def qwen2_vl():
    tokenizer = qwen_tokenizer()
    config = t.Qwen2VLConfig(
        text_config={**TEXT, **special_ids(tokenizer), **rope(mrope_section=[2, 3, 3])},
        vision_config={"depth": 3, "embed_dim": 32, "hidden_size": 64, "num_heads": 4, "patch_size": 14},
        **ids(tokenizer),
    )
    return random(t.Qwen2VLForConditionalGeneration, config), qwen_processor("Qwen2VLProcessor", tokenizer)


def qwen2_5_vl():
    tokenizer = qwen_tokenizer()
    vision = {"depth": 3, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "out_hidden_size": 64}
    vision |= {"window_size": 56, "fullatt_block_indexes": [1], "patch_size": 14}
    config = t.Qwen2_5_VLConfig(
        text_config={**TEXT, **special_ids(tokenizer), **rope(mrope_section=[2, 3, 3])},
        vision_config=vision,
        **ids(tokenizer),
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
        **ids(tokenizer),
    )
    processor = qwen_processor("Qwen3VLProcessor", tokenizer, 16, "Qwen3VLVideoProcessor")
    return random(t.Qwen3VLForConditionalGeneration, config), processor


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
    text = {**TEXT, **HYBRID, **special_ids(tokenizer)}
    text |= rope(mrope_section=[2, 3, 3], mrope_interleaved=True, partial_rotary_factor=0.5)
    config = t.Qwen3_5Config(text_config=text, vision_config=QWEN3_VISION, **ids(tokenizer))
    processor = qwen_processor("Qwen3VLProcessor", tokenizer, 16, "Qwen3VLVideoProcessor")
    return random(t.Qwen3_5ForConditionalGeneration, config), processor


def glm4v():
    block = ("<|begin_of_image|>", "<|image|>", "<|end_of_image|>")
    tokenizer = byte_tokenizer(*block, "<|begin_of_video|>", "<|video|>", "<|end_of_video|>", post=False)
    text = {**TEXT, **special_ids(tokenizer), "partial_rotary_factor": 0.5}
    text |= rope(mrope_section=[1, 1, 2], partial_rotary_factor=0.5)
    vision = {"depth": 3, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "image_size": 56}
    vision |= {"out_hidden_size": 64, "patch_size": 14}
    names = {"image_token_id": block[1], "image_start_token_id": block[0], "image_end_token_id": block[2]}
    names |= {"video_token_id": "<|video|>", "video_start_token_id": "<|begin_of_video|>"}
    names |= {"video_end_token_id": "<|end_of_video|>"}
    config = t.Glm4vConfig(
        text_config=text,
        vision_config=vision,
        **{name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()},
    )
    sides = {"shortest_edge": 2 * 28 * 28, "longest_edge": 2 * 84 * 84}
    processor = t.Glm4vProcessor(
        image_processor=t.Glm4vImageProcessor(size=sides),
        tokenizer=tokenizer,
        video_processor=t.Glm4vVideoProcessor(size=sides),
        chat_template=chat_template("".join(block)),
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
        *tokens.values(),
        extra_special_tokens=tokens,
        old="Qwen2TokenizerFast",
        post=False,
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
    names = ("image", "video", "image_start", "image_end", "slice_start", "slice_end")
    names += ("image_id_start", "image_id_end")
    tokens = {f"{name}_token": f"<|{name}|>" for name in names}
    return byte_tokenizer(
        *tokens.values(),
        extra_special_tokens=tokens,
        post=False,
    )


def minicpm(version, **numbers):
    config_class, model_class, processor_class = (
        getattr(t, f"MiniCPMV{version}{part}") for part in ("Config", "ForConditionalGeneration", "Processor")
    )
    tokenizer = minicpm_tokenizer()
    text = {"model_type": "qwen3_5_text", **TEXT, **HYBRID, **special_ids(tokenizer)}
    text |= rope(mrope_section=[2, 3, 3], mrope_interleaved=True, partial_rotary_factor=0.5)
    vision = {**VISION, "image_size": 112, "insert_layer_id": 1}
    numbers = {"image_token_id": "<|image|>", "video_token_id": "<|video|>", **numbers}
    numbers = {name: tokenizer.convert_tokens_to_ids(token) for name, token in numbers.items()}
    config = config_class(
        text_config=text, vision_config=vision, image_size=112, insert_layer_id=1, **numbers
    )
    processor = processor_class(
        image_processor=t.MiniCPMV4_6ImageProcessor(scale_resolution=112, patch_size=14),
        video_processor=t.MiniCPMV4_6VideoProcessor(scale_resolution=112, patch_size=14),
        tokenizer=tokenizer,
        chat_template=chat_template("<|image|>"),
    )
    return random(model_class, config), processor


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


RECIPES = {
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "qwen3_5": qwen3_5,
    "glm4v": glm4v,
    "internvl": internvl,
    "minicpmv4_6": minicpmv4_6,
    "minicpmv4_7": minicpmv4_7,
}
