"""The LLaVA family, and its relatives of the same make."""

import transformers as t

from tests.tiny.common import TEXT, VISION, byte_tokenizer, chat_template, random, special_ids

PINPOINTS = [[28, 56], [56, 28], [56, 56]]
PIXELS = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}


def configs(tokenizer, tower="CLIPVisionConfig", **vision):
    """Entries of the config that all generations share."""
    return {
        "text_config": t.LlamaConfig(**TEXT, **special_ids(tokenizer)),
        "vision_config": getattr(t, tower)(**VISION, **vision),
        "image_token_index": tokenizer.convert_tokens_to_ids("<image>"),
    }


def arguments(tokenizer):
    """Arguments of the processor that most generations share."""
    return {
        "tokenizer": tokenizer,
        "patch_size": 14,
        "vision_feature_select_strategy": "default",
        "num_additional_image_tokens": 1,
        "image_token": "<image>",
        "chat_template": chat_template("<image>"),
    }


def llava():
    tokenizer = byte_tokenizer("<image>")
    processor = t.LlavaProcessor(image_processor=t.CLIPImageProcessor(**PIXELS), **arguments(tokenizer))
    return random(t.LlavaForConditionalGeneration, t.LlavaConfig(**configs(tokenizer))), processor


def llava_interleave():
    tokenizer = byte_tokenizer("<image>")
    shared = arguments(tokenizer)
    shared["vision_feature_select_strategy"] = "full"
    shared["num_additional_image_tokens"] = 0
    processor = t.LlavaProcessor(
        image_processor=t.SiglipImageProcessor(size={"height": 28, "width": 28}), **shared
    )
    config = t.LlavaConfig(
        **configs(tokenizer, "SiglipVisionConfig", vision_use_head=False),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
    )
    return random(t.LlavaForConditionalGeneration, config), processor


def llava_next():
    tokenizer = byte_tokenizer("<image>")
    processor = t.LlavaNextProcessor(
        image_processor=t.LlavaNextImageProcessor(**PIXELS, image_grid_pinpoints=PINPOINTS),
        **arguments(tokenizer),
    )
    config = t.LlavaNextConfig(**configs(tokenizer), image_grid_pinpoints=PINPOINTS)
    return random(t.LlavaNextForConditionalGeneration, config), processor


def llava_next_video():
    tokenizer = byte_tokenizer("<image>", "<video>", old="LlamaTokenizerFast")
    processor = t.LlavaNextVideoProcessor(
        image_processor=t.LlavaNextImageProcessor(**PIXELS, image_grid_pinpoints=PINPOINTS),
        video_processor=t.LlavaNextVideoVideoProcessor(**PIXELS),
        video_token="<video>",
        **arguments(tokenizer),
    )
    config = t.LlavaNextVideoConfig(
        **configs(tokenizer),
        image_grid_pinpoints=PINPOINTS,
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
    )
    return random(t.LlavaNextVideoForConditionalGeneration, config), processor


def llava_onevision():
    tokenizer = byte_tokenizer("<image>", "<video>")
    size = {"height": 28, "width": 28}
    processor = t.LlavaOnevisionProcessor(
        image_processor=t.LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=PINPOINTS),
        video_processor=t.LlavaOnevisionVideoProcessor(size=size),
        tokenizer=tokenizer,
        num_image_tokens=4,
        vision_feature_select_strategy="full",
        image_token="<image>",
        video_token="<video>",
        vision_aspect_ratio="anyres_max_9",
        chat_template=chat_template("<image>"),
    )
    shared = configs(tokenizer, "SiglipVisionConfig", vision_use_head=False)
    shared["text_config"] = t.Qwen2Config(**TEXT, **special_ids(tokenizer))
    config = t.LlavaOnevisionConfig(
        **shared,
        image_grid_pinpoints=PINPOINTS,
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    return random(t.LlavaOnevisionForConditionalGeneration, config), processor


def vipllava():
    tokenizer = byte_tokenizer("<image>")
    processor = t.LlavaProcessor(image_processor=t.CLIPImageProcessor(**PIXELS), **arguments(tokenizer))
    config = t.VipLlavaConfig(**configs(tokenizer), vision_feature_layers=[-1, -2, -3])
    return random(t.VipLlavaForConditionalGeneration, config), processor


BUILDERS = {
    "llava": llava,
    "llava_interleave": llava_interleave,
    "llava_next": llava_next,
    "llava_next_video": llava_next_video,
    "llava_onevision": llava_onevision,
    "vipllava": vipllava,
}
